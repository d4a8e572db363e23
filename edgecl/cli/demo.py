"""`edgecl demo`: the main job, from labelled scans to a device that keeps every task, on what is embedded."""

from __future__ import annotations

from pathlib import Path

import click

from edgecl.cli.output import json_option, note, print_json, print_table, size

EXAMPLES = """\b
Example:
  edgecl demo --out edgecl-demo"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--out",
    default="edgecl-demo",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder for everything that is made; an earlier demo in it is replaced.",
)
@json_option
def demo(out: Path, as_json: bool) -> None:
    """Train five tasks on handwritten digits, export, and let their packs arrive one after another.

    The last one arrives over the air. After each arrival the runtime predicts every task so far. Needs no network
    and no data of yours.
    """
    from edgecl.cli.digits import run_demo

    result = run_demo(out, say=note)
    if as_json:
        print_json(result.to_json())
        return
    tasks = [arrival.task for arrival in result.arrivals]
    rows = [
        (
            f"+ {arrival.task}",
            *(f"{value:.1f}" for value in arrival.accuracy),
            *[""] * (len(tasks) - place - 1),
        )
        for place, arrival in enumerate(result.arrivals)
    ]
    print_table("accuracy of every task after each arrival, percent", ("pack arrived", *tasks), rows)
    identical = "bit-identical" if result.unchanged else "NOT identical"
    share = result.pack_bytes / result.backbone_bytes
    air = f"{result.air.seconds:.1f} s, {size(result.air.received_bytes)} with its signatures, tested on arrival"
    click.echo(f"""
average accuracy   {result.average_accuracy:.2f} % with all packs on the device
never forgets      {result.compared} outputs of earlier tasks were compared after later arrivals: {identical}
over the air       {tasks[-1]} in {air}
one task           {size(result.pack_bytes)}, {share:.1%} of the backbone ({size(result.backbone_bytes)})
switching          {result.switch_line}
took               {result.seconds:.0f} s
files              {out}/data        the digits and the stream file
                   {out}/run         what was trained
                   {out}/bundle      the backbone's graph and the packs
                   {out}/repository  what a web server would hold
                   {out}/device      what a device holds

ask the device     edgecl-device run {out}/device --task {tasks[0]} {result.example}""")
    if not result.unchanged:
        click.get_current_context().exit(1)
