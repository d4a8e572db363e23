"""A result file says how it was made, without the places of the machine that made it."""

from __future__ import annotations

from scripts.result_files import command_line

WORDS = ["/home/me/scripts/measure_arms.py", "vision", "--arms", "adapter", "--data", "/home/me/data"]


def test_the_command_can_be_given_on_another_machine() -> None:
    places = ["--backbone", "/home/me/vit", "--runs", "/tmp/runs", "--out", "docs/results/arms.json"]
    assert command_line([*WORDS, *places]) == (
        "python scripts/measure_arms.py vision --arms adapter --data DATA --backbone BACKBONE "
        "--runs RUNS --out arms.json"
    )


def test_a_place_that_is_joined_to_its_option_is_not_told_either() -> None:
    words = ["scripts/measure_arms.py", "--data=/home/me/data", "--out=/tmp/arms.json", "--set", "a=1"]
    assert command_line(words) == "python scripts/measure_arms.py --data DATA --out arms.json --set a=1"


def test_what_a_shell_would_take_apart_is_quoted() -> None:
    assert "'prefix:a=1 b=2'" in command_line([*WORDS, "--arms", "prefix:a=1 b=2"])
