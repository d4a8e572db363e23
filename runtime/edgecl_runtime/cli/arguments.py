"""Arguments, dispatch, and exit codes of `edgecl-device`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from edgecl_runtime import __version__
from edgecl_runtime.cli import commands
from edgecl_runtime.cli.bench import add_bench_options, bench
from edgecl_runtime.cli.doctor import doctor
from edgecl_runtime.cli.update_arguments import add_update_commands
from edgecl_runtime.errors import EdgeclRuntimeError

__all__ = ["build_parser", "main"]

_STOPPED = 130  # what shells report of a program that SIGINT ended
_EXIT_CODES = """\
exit codes:
  0  done
  1  failed
  2  wrong usage, or an input that cannot be read
  3  a pack or the bundle does not fit
  4  network
  5  a signature or hash was refused
  130  stopped by you

The result goes to stdout (--json: exactly one JSON object), errors go to stderr.
"""
_RUN = """\
example:
  edgecl-device run bundle/ --packs packs/ --task leaves photo.jpg
"""
_LIST = """\
example:
  edgecl-device list bundle/ --packs packs/
"""
_BENCH = """\
examples:
  edgecl-device bench bundle/ --packs packs/ --json > today.json
  edgecl-device bench bundle/ --packs packs/ --compare today.json
"""
_DOCTOR = """\
examples:
  edgecl-device doctor
  edgecl-device doctor bundle/
  edgecl-device doctor /var/lib/edgecl --json
"""
_VERIFY = """\
example:
  edgecl-device verify bundle/ --packs packs/ --task leaves
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; argparse leaves by SystemExit for --help and wrong usage."""
    arguments = build_parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except EdgeclRuntimeError as error:
        commands.print_error(str(error))
        return error.exit_code
    except OSError as error:
        commands.print_error(str(error))
        return EdgeclRuntimeError.exit_code
    except KeyboardInterrupt:
        commands.print_error("stopped")
        return _STOPPED


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="edgecl-device",
        description="Run the tasks of an edgecl backbone on this device.",
        epilog=f"{_RUN}\n{_EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"edgecl-device {__version__}")
    parsers = parser.add_subparsers(required=True, metavar="COMMAND")
    run = _add(parsers, "run", commands.run, "classify images or texts under one task", example=_RUN)
    run.add_argument("--task", required=True, metavar="NAME", help="the task to ask")
    run.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="an image file, or for a text backbone the text; - reads stdin by line",
    )
    _add(parsers, "list", commands.list_packs, "show the packs that would be used", example=_LIST)
    verify = _add(
        parsers,
        "verify",
        commands.verify,
        "repeat the self-test of each pack on this device",
        example=_VERIFY,
    )
    verify.add_argument("--task", action="append", metavar="NAME", help="only this task; may be given again")
    add_bench_options(
        _add(parsers, "bench", bench, "measure what tasks cost on this machine", example=_BENCH)
    )
    _add_doctor(parsers)
    add_update_commands(partial(_add_command, parsers))
    return parser


def _add_doctor(parsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "look for what keeps this machine from running, and name the line that mends it"
    parser = parsers.add_parser(
        "doctor",
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}. The exit code is 1 if something must be mended.",
        epilog=f"{_DOCTOR}\n{_EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=doctor)
    parser.add_argument(
        "path", nargs="?", type=Path, metavar="FOLDER", help="a bundle, or the store of a device"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add(
    parsers: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Callable[[argparse.Namespace], int],
    summary: str,
    *,
    example: str,
) -> argparse.ArgumentParser:
    parser = _add_command(parsers, name, command, summary, example)
    parser.add_argument(
        "bundle", type=Path, metavar="BUNDLE", help="the folder of the backbone, or of a device store"
    )
    parser.add_argument(
        "--packs", type=Path, metavar="DIR", help="the folder of the packs (default: BUNDLE/packs)"
    )
    return parser


def _add_command(
    parsers: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Callable[[argparse.Namespace], int],
    summary: str,
    example: str,
) -> argparse.ArgumentParser:
    parser = parsers.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"{example}\n{_EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=command)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser
