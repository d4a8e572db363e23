"""The tables of docs/performance.md, from what scripts/measure_runtime.py wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from edgecl_runtime.bench.device import MIXED, NO_TASK, ONE_OF_ROWS, ONE_TASK, SWITCH

Parts = Mapping[str, Any]
Cell = Callable[[Parts], str]

BARE = ("bare, sdpa", "bare, eager")
IMPORTS = ("import edgecl_runtime", "import numpy")
NOT_MEASURED = "not measured"


def tables(parts: Parts) -> dict[str, str]:
    """Return every table by the name of its place in the page."""
    return {"figures": figures_table(parts), "peers": peers_table(parts)}


def figures_table(parts: Parts) -> str:
    """Return what was measured beside what was aimed at."""
    lines = ["| | at most | ViT-Tiny | MiniLM |", "|---|---|---|---|"]
    for name, most, cell in _of_backbones():
        cells = (_shown(cell, _part_of(parts, backbone)) for backbone in ("vit", "minilm"))
        lines.append(f"| {name} | {most} | {' | '.join(cells)} |")
    lines += [f"| {name} | {most} | {_shown(cell, parts)} | |" for name, most, cell in _of_the_machine(parts)]
    return "\n".join(lines)


def peers_table(parts: Parts) -> str:
    """Return the other ways to switch beside ours, for ViT-Tiny at batch 1."""
    lines = [
        "| ViT-Tiny, batch 1, 8 tasks | switch / same | a call / a call here | the switch alone | memory of 8 tasks |",
        "|---|---|---|---|---|",
    ]
    part = parts.get("vit/peers")
    if part is None:
        return "\n".join([*lines, f"| {NOT_MEASURED} | | | | |"])
    lines.append(
        f"| edgecl | {_ratio(part, SWITCH, ONE_TASK)} | 1 | {part['switch_us']:.1f} us | their tensors |"
    )
    for name, facts in part["peers"].items():
        switch, one = f"{name}, switch", f"{name}, one task"
        alone = "none" if facts["switch_us"] is None else f"{facts['switch_us']:.0f} us"
        size = f"{facts['resident_bytes'] / 1e6:.0f} MB"
        lines.append(
            f"| {name} | {_ratio(part, switch, one)} | {_ratio(part, switch, SWITCH)} | {alone} | {size} |"
        )
    lines.append(f"| reloading a session | | | {part['reload_ms']:.0f} ms | of one |")
    return "\n".join(lines)


def _of_backbones() -> list[tuple[str, str, Cell]]:
    return [
        ("no task / bare, batch 1", "1.02", partial(_bare, rows=1, case=NO_TASK)),
        ("no task / bare, batch 8", "1.01", partial(_bare, rows=8, case=NO_TASK)),
        ("one task / bare, batch 1", "1.035", partial(_bare, rows=1, case=ONE_TASK)),
        ("one task / bare, batch 8", "1.035", partial(_bare, rows=8, case=ONE_TASK)),
        (
            "another task at every call / the same",
            "1.01",
            lambda part: _ratio(part["calls-1"], SWITCH, ONE_TASK),
        ),
        ("the switch itself", "10 us", lambda part: f"{part['calls-1']['switch_us']:.1f} us"),
        (
            "8 rows of 8 tasks / 8 rows of one",
            "1.02",
            lambda part: _ratio(part["rows"], MIXED, ONE_OF_ROWS),
        ),
        ("verified load of a pack of 1.5 MB", "5 ms", _loaded),
        ("CPU time of a cold start, to the first prediction", "", _cold),
    ]


def _of_the_machine(parts: Parts) -> list[tuple[str, str, Cell]]:
    most = f"{1.2 * parts['memory']['pack_bytes'] / 1e6 + 50:.0f} MB" if "memory" in parts else ""
    return [
        ("resident memory of 1,000 open tasks, 100 of them used", most, _resident),
        (
            "growth over the last 90,000 of 100,000 switches",
            "0",
            partial(_grown, "resident_by_tenth_of_switches"),
        ),
        (
            "growth over the last 900 of 1,000 additions and removals",
            "0",
            partial(_grown, "resident_by_tenth_of_cycles"),
        ),
        ("`import edgecl_runtime` / `import numpy`", "1.5", lambda found: _ratio(found["start"], *IMPORTS)),
        (
            "installed size, with safetensors",
            "2 MB",
            lambda found: (
                f"{sum(found['sizes'][name] for name in ('edgecl_runtime', 'safetensors')) / 1e6:.2f} MB"
            ),
        ),
        (
            "a counter of a stage",
            "",
            lambda found: f"{found['start']['counter_us']:.2f} us",
        ),
    ]


def _part_of(parts: Parts, backbone: str) -> dict[str, Any]:
    prefix = f"{backbone}/"
    return {name.removeprefix(prefix): part for name, part in parts.items() if name.startswith(prefix)}


def _shown(cell: Cell, parts: Parts) -> str:
    try:
        return cell(parts)
    except KeyError:
        return NOT_MEASURED


def _ratio(part: Parts, one: str, other: str) -> str:
    ratio = part["ratios"][f"{one} / {other}"]
    return f"{ratio['median']:.3f} ± {ratio['standard_error']:.3f}"


def _bare(part: Parts, *, rows: int, case: str) -> str:
    """Return the ratio to the faster of the bare graphs."""
    found = part[f"calls-{rows}"]
    return _ratio(found, case, min(BARE, key=lambda bare: found["milliseconds"][bare]))


def _loaded(part: Parts) -> str:
    pack = part["load"]["pack"]
    return f"{pack['verify_ms'] + pack['activate_ms']:.1f} ms ({pack['size_bytes'] / 1e6:.2f} MB)"


def _cold(part: Parts) -> str:
    steps = {name: step["ms"] for name, step in part["load"]["cold_start"].items()}
    return f"{steps['first']:.0f} ms, of which {steps['open'] - steps['import']:.0f} ms opening"


def _resident(parts: Parts) -> str:
    memory = parts["memory"]
    return f"{(memory['resident_used'] - memory['resident_before']) / 1e6:.0f} MB"


def _grown(key: str, parts: Parts) -> str:
    held = parts["leaks"][key]
    return f"{(held[-1] - held[0]) / 1e6:.1f} MB"
