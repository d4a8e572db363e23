from __future__ import annotations

from edgecl.report.drawing import COLORS, LONGEST_LABEL, look, short


def test_many_arms_all_look_different() -> None:
    assert len({look(index) for index in range(64)}) == 64


def test_neighbours_have_different_colours_and_markers() -> None:
    pairs = [(look(index), look(index + 1)) for index in range(63)]
    assert all(here.color != there.color and here.marker != there.marker for here, there in pairs)


def test_a_colour_that_comes_again_has_another_marker() -> None:
    first, again = look(0), look(len(COLORS))
    assert first.color == again.color
    assert first.marker != again.marker


def test_long_names_that_differ_at_the_end_are_told_apart() -> None:
    settings = [f"adaprefix++:generator.guidance={mode}" for mode in ("distance", "decoder", "paper")]
    assert len({short(name) for name in settings}) == 3
    assert all(len(short(name)) <= LONGEST_LABEL for name in settings)
