"""A figure as a PNG image with the words that go with it; light ground, so that it can be read on any page."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from warnings import catch_warnings, filterwarnings

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 192
"""Twice the 96 of a page, so that it is sharp on a fine screen."""
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d00", "#56b4e9", "#e69f00", "#444444")
"""After Okabe and Ito (2008), yellow darkened: told apart with any colour vision."""
MARKERS = "osD^vP*X"
LONGEST_LABEL = 26
_STYLE: dict[str, object] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.alpha": 0.25,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure of a report.

    Attributes:
        name: Of its file, without the ending.
        title: What it shows, a few words.
        caption: How to read it, one sentence.
        alt: What a reader who cannot see it has to know.
        png: The image.
        width: Of the image on a page, pixels.
        height: The same.
    """

    name: str
    title: str
    caption: str
    alt: str
    png: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Look:
    """Colour and marker of an arm, the same in all figures."""

    color: str
    marker: str


def draw(
    paint: Callable[[Figure], None],
    *,
    name: str,
    title: str,
    caption: str,
    alt: str,
    inches: tuple[float, float],
) -> Drawing:
    """Return what `paint` draws on an empty figure of this width and height."""
    from matplotlib.figure import Figure

    stream = io.BytesIO()
    with _quiet_style():
        figure = Figure(figsize=inches, layout="constrained")
        paint(figure)
        figure.savefig(stream, format="png", dpi=DPI, metadata={"Software": None})
    return Drawing(name, title, caption, alt, stream.getvalue(), round(96 * inches[0]), round(96 * inches[1]))


def short(name: str) -> str:
    """Return a name that fits beside an axis; of a long one the beginning and the end, where arms differ."""
    plain = " ".join(name.split())
    half = LONGEST_LABEL // 2
    return plain if len(plain) <= LONGEST_LABEL else f"{plain[: half - 1]}…{plain[-half:]}"


def numbered(names: Sequence[str]) -> list[str]:
    """Return short names, each with its position from 1."""
    return [f"{short(name)}  {position}" for position, name in enumerate(names, start=1)]


def look(index: int) -> Look:
    """Return how the arm at a place is drawn; where colours come again, markers are shifted."""
    return Look(COLORS[index % len(COLORS)], MARKERS[(index + index // len(COLORS)) % len(MARKERS)])


def name_above(figure: Figure) -> None:
    """Name what the curves and points are, above the figure, each name once."""
    named: dict[str, Artist] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(str(label), handle)
    figure.legend(list(named.values()), list(named), loc="outside upper left", ncols=2)


def legend_height(names: int) -> float:
    """Return the inches that `name_above` needs for so many names."""
    return 0.2 * -(-names // 2)


def mark_positions(axes: Axes, count: int, *, most: int = 25) -> None:
    """Number the positions of tasks along the horizontal axis, at most so many of them."""
    step = next((step for step in (1, 2, 5, 10, 20, 50) if count <= step * most), 100)
    positions = list(range(0 if step == 1 else step - 1, count, step))
    axes.set_xticks(positions, [str(position + 1) for position in positions])
    axes.set_xlim(-0.5, count - 0.5)


@contextmanager
def _quiet_style() -> Iterator[None]:
    from matplotlib import rc_context

    with catch_warnings(), rc_context(_STYLE):  # type: ignore[arg-type]  # its keys are literals there
        filterwarnings("ignore", message="Glyph .* missing from font")  # of names in other scripts
        yield
