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

METHODS = ("h_adj", "h_loo", "h_lw", "h_lwc", "h_raw", "leep", "logme", "transrate")
EXAMPLES = """\b
Examples:
  edgecl similarity runs/shop-floor --task scratches=data/scratches
  edgecl similarity runs/shop-floor --task scratches=data/scratches --method h_loo --json

\b
A score h_... counts the class differences that the features show, up to the number of classes less one; h_lwc and
h_adj are 0 at chance. logme is the evidence of linear models, nats per item; leep is what the head of each task says
about the new classes, nats per item, 0 at most; transrate is the volume of the features that no class fills, nats.
"no task" is the bare backbone: a task that scores no higher has nothing to give. It has no head, and so no leep."""


@click.command(epilog=EXAMPLES)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--task", required=True, metavar="NAME=DATA", help="The new task.")
@click.option("--method", type=click.Choice(METHODS), default="h_lwc", show_default=True, help="Which score.")
@click.option("--backbone", help="Where the run's backbone lies now, if its folder moved.")
@json_option
def similarity(run: Path, task: str, method: Method, backbone: str | None, as_json: bool) -> None:
    """Compare a new task with those of a finished run, without training it.

    Passes the training items of the new task through the backbone bare and with each task of RUN, and scores how
    much the features then say about its classes. Says whether the ranking of the tasks is more than noise; nothing
    is written.
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
            on_features=lambda done, total: console.comparing(spec.name, done, total),
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
    return f"{result.method} {result.value:.3f} {_error(result)}, {result.n} items"


def _error(similarity: Similarity) -> str:
    error = similarity.standard_error
    return f"± {error:.3f}" if math.isfinite(error) else "± unknown"


def _print(compared: NewTask, method: Method) -> None:
    from edgecl.similarity import Refusal, Similarity
    from edgecl.similarity.methods import cross_check_of

    sources = compared.sources
    given = {name: each for name, each in sources.items() if isinstance(each, Similarity)}
    if given:
        rows = [(name, f"{each.value:.3f}", _error(each), _beside(each)) for name, each in given.items()]
        columns = ("source", method, "s.e.", cross_check_of(method) or "chance")
        print_table(f"{compared.name}: {compared.items} training items", columns, rows)
    if dropped := _dropped(compared):
        click.echo(f"\nleft out, a single item each: {', '.join(dropped)}")
    for name, each in sources.items():
        if given and isinstance(each, Refusal):
            click.echo(f"\nno number for {name}: {each.reason}")
    click.echo(f"\n{_verdict(compared)}")


def _beside(similarity: Similarity) -> str:
    """Return what a score is held against: its cross-check, or where there is none what chance gives."""
    return f"{similarity.chance if similarity.cross_check is None else similarity.cross_check:.3f}"


def _verdict(compared: NewTask) -> str:
    """Return whether the ranking is reliable, why that is not judged, or why there is no ranking or number at all."""
    from edgecl.similarity import Refusal

    comparison = compared.comparison
    reasons = [each.reason for each in compared.sources.values() if isinstance(each, Refusal)]
    if len(reasons) == len(compared.sources):
        return f"no number: {'; '.join(sorted(set(reasons)))}"
    if not compared.is_ranking:
        return "no ranking: one task alone has no rank"
    if comparison.reliable:
        return "reliable: the tasks differ by more than noise, and both scores rank them alike"
    doubts = "; ".join(comparison.doubts)
    return (
        f"no verdict on the ranking: {doubts}"
        if comparison.kendall_tau is None
        else f"not reliable: {doubts}"
    )


def _dropped(compared: NewTask) -> list[str]:
    """Return the names of the classes that were left out, the same for all sources."""
    from edgecl.similarity import Similarity

    given = [each for each in compared.sources.values() if isinstance(each, Similarity)]
    return [compared.labels[label] for label in given[0].dropped] if given else []


def _to_json(compared: NewTask, method: Method) -> dict[str, Any]:
    comparison = compared.comparison
    tau = comparison.kendall_tau if compared.is_ranking else None
    return {
        "task": compared.name,
        "method": method,
        "items": compared.items,
        "classes": len(compared.labels),
        "dropped": _dropped(compared),
        "reliable": None if tau is None else comparison.reliable,
        "doubts": list(comparison.doubts),
        "spread": comparison.spread,
        "spread_error": comparison.spread_error if math.isfinite(comparison.spread_error) else None,
        "kendall_tau": tau,
        "sources": [_source_to_json(name, each) for name, each in compared.sources.items()],
    }


def _source_to_json(name: str, result: Similarity | Refusal) -> dict[str, Any]:
    """Return a source as JSON: null for the bare backbone, and for what is not known or a score does not have."""
    from edgecl.similarity import Refusal
    from edgecl.similarity.methods import cross_check_of
    from edgecl.training.similar_tasks import BARE

    source = None if name == BARE else name
    if isinstance(result, Refusal):
        return {"source": source, "value": None, "reason": result.reason}
    check = cross_check_of(result.method)
    return {
        "source": source,
        "value": result.value,
        "standard_error": result.standard_error if math.isfinite(result.standard_error) else None,
        **({} if check is None else {check: result.cross_check}),
        "chance": result.chance,
        "alpha": result.alpha,
        "n": result.n,
        "rank": result.rank,
        "classes": result.classes,
    }
