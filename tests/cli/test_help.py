from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from edgecl.arms import arm_names, arm_summary
from edgecl.cli.app import cli
from tests.cli.conftest import Call

EDGECL = str(Path(sys.executable).parent / "edgecl")
HEAVY = {"numpy", "onnx", "onnxruntime", "rich", "sklearn", "torch", "transformers"}
MODULES_OF = """
import json, sys
from edgecl.cli import main
sys.argv = ["edgecl", *sys.argv[1:]]
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


def command_at(path: tuple[str, ...]) -> click.Command:
    """Return the command of these words."""
    found: click.Command = cli
    for name in path:
        assert isinstance(found, click.Group)
        found = found.commands[name]
    return found


every_command = pytest.mark.parametrize("path", list(commands()), ids=" ".join)


def test_the_commands_of_the_everyday_job_are_there() -> None:
    assert {("train",), ("export",), ("evaluate",), ("pack", "build"), ("demo",)} <= set(commands())


@every_command
def test_help_of_every_command_has_an_example_of_it(path: tuple[str, ...], call: Call) -> None:
    called = call(*path, "--help")
    assert called.code == 0
    assert "Example" in called.out
    assert re.search(rf"edgecl {' '.join(path)}\s", called.out.split("Example")[1])
    assert called.err == ""


@every_command
def test_every_command_can_print_json(path: tuple[str, ...]) -> None:
    options = {name: each for each in command_at(path).params for name in each.opts}
    assert options["--json"].name == "as_json"


@every_command
def test_every_option_says_what_it_is(path: tuple[str, ...]) -> None:
    options = [each for each in command_at(path).params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []


@every_command
def test_the_first_line_of_help_is_a_sentence(path: tuple[str, ...]) -> None:
    text = command_at(path).help or ""
    assert text.splitlines()[0].endswith(".")


def test_help_shows_the_way_from_a_first_look_to_one_more_task(call: Call) -> None:
    lines = [line.strip() for line in call("--help").out.splitlines()]
    assert "A first look, nothing needed:   edgecl demo" in lines
    assert "edgecl pack build RUN --task NAME --bundle BUNDLE --out PACK" in lines


@pytest.mark.parametrize(
    "code", ["0  done", "1  failed", "2  wrong usage", "3  a pack", "4  network", "5  a signature"]
)
def test_help_lists_the_exit_codes(code: str, call: Call) -> None:
    assert f"\n    {code}" in call("--help").out


def test_no_command_at_all_shows_the_help(call: Call) -> None:
    called = call()
    assert called.code == 2
    assert "Usage: edgecl" in called.err


def test_the_version_is_that_of_the_package(call: Call) -> None:
    assert call("--version").out == "edgecl, version 0.1.0\n"


def test_the_package_is_a_program_too() -> None:
    command = [sys.executable, "-m", "edgecl", "--version"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "edgecl, version 0.1.0\n"


def test_the_methods_are_listed_one_a_line(call: Call) -> None:
    title, *lines = call("train", "--list-methods").out.splitlines()
    assert title == "methods"
    assert [line.split()[0] for line in lines] == list(arm_names())
    assert [line.split()[0] for line in lines if line.endswith("  [default]")] == ["gated"]
    assert lines[0].endswith("  Adapters and prefixes of a task's own, each task learned for itself.")


def test_the_methods_are_listed_as_json(call: Call) -> None:
    expected = {name: arm_summary(name) for name in arm_names()}
    assert call("train", "--list-methods", "--json").json == {"methods": expected, "default": "gated"}


def test_help_of_train_says_where_the_methods_are_listed(call: Call) -> None:
    assert "see --list-methods" in call("train", "--help").out


def test_help_of_train_says_where_the_settings_are_listed(call: Call) -> None:
    assert "docs/training.md lists all settings, for --set and --config" in call("train", "--help").out


def test_help_takes_less_than_half_a_second() -> None:
    took = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([EDGECL, "--help"], check=True, capture_output=True)
        took.append(time.perf_counter() - started)
    assert min(took) < 0.5


def modules_of(*arguments: str) -> set[str]:
    """Return the modules that a call of the program has loaded when it ends."""
    command = [sys.executable, "-c", MODULES_OF, *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["train", "--help"], ["train", "--list-methods"], ["demo", "--help"], ["export"]],
)
def test_help_and_wrong_usage_load_nothing_heavy(arguments: list[str]) -> None:
    assert not HEAVY & modules_of(*arguments)


def test_a_wrong_setting_is_refused_before_torch_is_loaded(tmp_path: Path) -> None:
    loaded = modules_of("train", "--set", "nonsense.key=1", "--task", "a=b", "--out", str(tmp_path / "run"))
    assert "edgecl.config" in loaded
    assert not (HEAVY - {"numpy"}) & loaded
