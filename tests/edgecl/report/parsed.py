"""A page as a test looks at it."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = frozenset({"img", "meta"})


class Page(HTMLParser):
    """The elements, the texts and the tables of a page; it fails where elements do not nest."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"th", "td"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.texts.append(data.strip())
        if {"th", "td"} & set(self._open):
            self.rows[-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of every element of a name."""
        return [attributes for name, attributes in self.elements if name == tag]

    def row(self, name: str) -> list[str]:
        """Return the first row that is named so."""
        return next(row for row in self.rows if row[0] == name)

    @property
    def figures(self) -> list[str]:
        """The figures, by the names of their files."""
        return [attributes["id"] for attributes in self.all("figure")]
