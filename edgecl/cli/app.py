"""The commands of `edgecl`, and what becomes of errors."""

from __future__ import annotations

import logging
import os
import sys

import click

from edgecl import __version__
from edgecl.cli.backbone import backbone
from edgecl.cli.demo import demo
from edgecl.cli.devices import devices
from edgecl.cli.evaluate import evaluate
from edgecl.cli.export import export
from edgecl.cli.keys import keys
from edgecl.cli.pack import pack
from edgecl.cli.pretrain import pretrain
from edgecl.cli.repo import repo
from edgecl.cli.report import report
from edgecl.cli.similarity import similarity
from edgecl.cli.train import train
from edgecl.errors import EdgeclError

HELP = """Keep a fleet of small machines learning: train tasks on a frozen backbone, export once, ship packs.

\b
A first look, nothing needed:   edgecl demo
Three tasks:                    edgecl train --stream S.toml --out RUN
The bundle and its packs:       edgecl export RUN --out BUNDLE
One more task, months later:    edgecl train RUN --task NAME=DATA
                                edgecl pack build RUN --task NAME --bundle BUNDLE --out PACK"""
EPILOG = """\b
Exit codes:
  0  done
  1  failed
  2  wrong usage, settings or data
  3  a pack or model does not fit, or fails the parity gate
  4  network
  5  a signature or hash was refused
  130  stopped by you; a stopped `edgecl train` continues when it is repeated

The result goes to standard output (with --json: exactly one object), progress and errors to standard error."""


@click.group(
    help=HELP,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="edgecl")
def cli() -> None:
    """Hold the commands; what it says for itself is `HELP`."""


for command in (
    backbone,
    demo,
    devices,
    evaluate,
    export,
    keys,
    pack,
    pretrain,
    repo,
    report,
    similarity,
    train,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line and exit with a documented code."""
    for switch in ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DISABLE_SAFETENSORS_CONVERSION"):
        os.environ.setdefault(switch, "1")
    logging.basicConfig(level=logging.WARNING, format="edgecl: %(message)s", stream=sys.stderr)
    try:
        # Outside its standalone mode click hands back the code of Context.exit instead of leaving with it.
        sys.exit(cli.main(prog_name="edgecl", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt) as stop:
        # Outside its standalone mode click raises Abort from what stopped it, which may bear a note of the command.
        notes = getattr(stop.__cause__ or stop, "__notes__", ())
        click.echo("; ".join(["edgecl: stopped", *notes]), err=True)
        sys.exit(130)
    except Exception as error:
        if (code := _exit_code(error)) is None:
            raise
        click.echo(f"edgecl: {error}", err=True)
        sys.exit(code)


def _exit_code(error: Exception) -> int | None:
    """Return the exit code of an error that was raised on purpose, None for a defect of ours."""
    from edgecl_devices.errors import DeviceProfileError
    from edgecl_runtime.errors import EdgeclRuntimeError

    if isinstance(error, EdgeclError | EdgeclRuntimeError | DeviceProfileError):
        return error.exit_code
    return 1 if isinstance(error, OSError) else None
