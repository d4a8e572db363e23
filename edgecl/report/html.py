"""The few pieces of HTML that a report is put together from; every text is escaped here."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

from edgecl.report.drawing import Drawing

SMALLEST = 0.85
"""Of its size, to which a figure shrinks on a small screen before it scrolls."""


def text(content: str) -> str:
    """Return text that may hold anything, as HTML."""
    return escape(content, quote=True)


def element(name: str, inner: str, **attributes: str) -> str:
    """Return an element around HTML; attributes are escaped, an underscore at the end of a name is dropped."""
    given = "".join(f' {key.rstrip("_")}="{text(value)}"' for key, value in attributes.items())
    return f"<{name}{given}>{inner}</{name}>"


def section(title: str, *parts: str) -> str:
    """Return a section with a heading; nothing where it would be empty."""
    body = "\n".join(part for part in parts if part)
    return element("section", f"\n{element('h2', text(title))}\n{body}\n") if body else ""


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table that scrolls by itself; its cells are HTML, the first of a row names it."""
    head = "".join(element("th", column, scope="col") for column in columns)
    body = "\n".join(
        element("tr", element("th", row[0], scope="row") + "".join(element("td", cell) for cell in row[1:]))
        for row in rows
    )
    above = f"<caption><span>{text(caption)}</span></caption>\n<thead><tr>{head}</tr></thead>"
    inner = f"{above}\n<tbody>\n{body}\n</tbody>"
    return _scrolling(element("table", inner), caption, "scroll")


def facts(pairs: Mapping[str, str]) -> str:
    """Return names and values, both text."""
    rows = "\n".join(
        element("div", element("dt", text(name)) + element("dd", text(value)))
        for name, value in pairs.items()
    )
    return element("dl", f"\n{rows}\n")


def notes(lines: Sequence[str]) -> str:
    """Return sentences, text, one below the other; nothing for none."""
    items = "\n".join(element("li", text(line)) for line in lines)
    return element("ul", f"\n{items}\n", class_="notes") if lines else ""


def figure(drawing: Drawing) -> str:
    """Return a figure with its image inside the page."""
    source = f"data:image/png;base64,{base64.b64encode(drawing.png).decode()}"
    size = f'width="{drawing.width}" height="{drawing.height}"'
    least = f'style="min-width: {round(SMALLEST * drawing.width)}px"'
    image = f'<img src="{source}" alt="{text(drawing.alt)}" {size} {least}>'
    inner = (
        element("h3", text(drawing.title))
        + _scrolling(image, drawing.title, "scroll card")
        + element("figcaption", text(drawing.caption))
    )
    return element("figure", inner, id=drawing.name)


def _scrolling(inner: str, label: str, kind: str) -> str:
    """Return HTML that scrolls in a frame of its own, by keyboard too: attributes as the standard wants them."""
    return f'<div class="{kind}" tabindex="0" role="region" aria-label="{text(label)}">{inner}</div>'
