"""`edgecl similarity`: which tasks of a run say most about a new one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecl.cli.output import TrainingConsole, json_option, note, print_json, print_table

if TYPE_CHECKING:
    from edgecl.similarity import Method, Refusal, Similarity
    from edgecl.training.similar_tasks import NewTask

METHODS = ("h_adj", "h_loo", "h_lw", "h_lwc", "h_raw")
EXAMPLES = """\b
Examples:
  edgecl similarity runs/shop-floor --task scratches=data/scratches
  edgecl similarity runs/shop-floor --task scratches=data/scratches --method h_loo --json

\b
The score counts the class differences that the features show, from 0 at chance to the number of classes less
one. "no task" is the bare backbone: a task that scores no higher has nothing to give."""


@click.command(epilog=EXAMPLES)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--task", required=True, metavar="NAME=DATA", help="The new task.")
@click.option("--method", type=click.Choice(METHODS), default="h_lwc", show_default=True, help="Which score.")
@click.option("--backbone", help="Where the run's backbone lies now, if its folder moved.")
@json_option
def similarity(run: Path, task: str, method: Method, backbone: str | None, as_json: bool) -> None:
    """Compare a new task with those of a finished run, without training it.

    Passes the training items of the new task through the backbone bare and with each task of RUN, and scores how
    much the features then say about its classes. Says whether the ranking is more than noise; nothing is written.
    """
    from edgecl.streams import parse_task_option
    from edgecl.training.run import Run
    from edgecl.training.similar_tasks import compare_new_task

    spec = parse_task_option(task)
    with TrainingConsole() as console:
        compared = compare_new_task(
            Run.open(run),
            spec,
            method=method,
            progress=lambda done, total: console.checking(spec.name, done, total),
            on_source=lambda name, result: note(f"{name}: {_in_words(result)}"),
            backbone_source=backbone,
        )
    if as_json:
        print_json({"run": str(run), **_to_json(compared, method)})
    else:
        _print(compared, method)


def _in_words(result: Similarity | Refusal) -> str:
    from edgecl.similarity import Refusal

    if isinstance(result, Refusal):
        return f"no number: {result.reason}"
    return f"{result.method} {result.value:.3f} ± {result.standard_error:.3f}, {result.n} items"


def _print(compared: NewTask, method: Method) -> None:
    from edgecl.similarity import Similarity
    from edgecl.similarity.estimate import cross_check_of

    comparison = compared.comparison
    given = {name: each for name, each in comparison.sources.items() if isinstance(each, Similarity)}
    if given:
        rows = [
            (name, f"{each.value:.3f}", f"± {each.standard_error:.3f}", f"{each.cross_check:.3f}")
            for name, each in given.items()
        ]
        columns = ("source", method, "s.e.", cross_check_of(method))
        print_table(f"{compared.name}: {compared.items} training items", columns, rows)
    if dropped := _dropped(compared):
        click.echo(f"\nleft out, a single item each: {', '.join(dropped)}")
    click.echo(f"\n{_verdict(compared)}")


def _verdict(compared: NewTask) -> str:
    """Return whether the ranking is reliable, or why no number is given."""
    from edgecl.similarity import Refusal

    comparison = compared.comparison
    reasons = {each.reason for each in comparison.sources.values() if isinstance(each, Refusal)}
    if reasons:
        return f"no number: {'; '.join(sorted(reasons))}"
    if comparison.reliable:
        return "reliable: the sources differ by more than noise, and both scores rank them alike"
    return f"not reliable: {'; '.join(comparison.doubts)}"


def _dropped(compared: NewTask) -> list[str]:
    """Return the names of the classes that were left out, the same for all sources."""
    from edgecl.similarity import Similarity

    given = [each for each in compared.comparison.sources.values() if isinstance(each, Similarity)]
    return [compared.labels[label] for label in given[0].dropped] if given else []


def _to_json(compared: NewTask, method: Method) -> dict[str, Any]:
    comparison = compared.comparison
    return {
        "task": compared.name,
        "method": method,
        "items": compared.items,
        "classes": len(compared.labels),
        "dropped": _dropped(compared),
        "reliable": comparison.reliable,
        "doubts": list(comparison.doubts),
        "spread": comparison.spread,
        "kendall_tau": comparison.kendall_tau,
        "sources": [_source_to_json(name, each) for name, each in comparison.sources.items()],
    }


def _source_to_json(name: str, result: Similarity | Refusal) -> dict[str, Any]:
    """Return a source as JSON: null for the bare backbone, and for an error that is not known."""
    from edgecl.similarity import Refusal
    from edgecl.similarity.estimate import cross_check_of
    from edgecl.training.similar_tasks import BARE

    source = None if name == BARE else name
    if isinstance(result, Refusal):
        return {"source": source, "value": None, "reason": result.reason}
    return {
        "source": source,
        "value": result.value,
        "standard_error": result.standard_error if math.isfinite(result.standard_error) else None,
        cross_check_of(result.method): result.cross_check,
        "chance": result.chance,
        "alpha": result.alpha,
        "n": result.n,
        "rank": result.rank,
        "classes": result.classes,
    }
