"""Draw the pictures of the documentation from the result files that lie beside them.

    python scripts/draw_results.py docs/results

What each arm of a stream gains over the floor, what starts from earlier tasks gain by the number of tasks known before,
and accuracy against the bytes of a task. A picture has in its text chunk `Source` what it was drawn from.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, PngImagePlugin

from edgecl.config import PREFIX_LENGTH, MethodConfig
from edgecl.report.drawing import COLORS, Drawing, draw, look, name_above
from scripts.arms_tables import CEILING_ARM, CEILING_NOTE, transfers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Result = Mapping[str, Any]

WIDTH = 8.0
SHOWN = ("gated", "gated-tasks", "average")
"""Arms whose gains are drawn, in the order of their colours."""
KINDS = {"float16": 0, "int8": 1}
"""Types of packs, and their colours."""
FLOOR_COLOR = "#777777"


def arms_drawing(results: Sequence[Result]) -> Drawing:
    """Return what each arm gains over the best floor, when a task has been learned and after the last one."""
    (result,) = results
    found_by_arm: Mapping[str, Result] = result["summary"]["arms"]
    arms = dict(sorted(found_by_arm.items(), key=lambda each: -each[1]["gain_over_best_floor"]["mean"]))
    floor = result["summary"]["mean_best_floor"]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvline(0, color=FLOOR_COLOR, linewidth=1)
        for place, found in enumerate(arms.values()):
            gain = found["gain_over_best_floor"]
            axes.errorbar(
                gain["mean"],
                place,
                xerr=gain["sd"],
                fmt="o",
                color=COLORS[0],
                label="when it has been learned, ± deviation over seeds",
            )
            if "at_the_end" in found:
                end = found["at_the_end"]["mean"] - floor
                axes.plot(
                    end,
                    place,
                    "D",
                    color=COLORS[1],
                    fillstyle="none",
                    label="after the last task of the stream",
                )
        axes.set_yticks(
            range(len(arms)),
            [f"{arm}{CEILING_NOTE if arm == CEILING_ARM else ''}" for arm in arms],
            fontsize=8,
        )
        axes.set_ylim(len(arms) - 0.5, -0.5)
        axes.set_xlabel(f"accuracy over the best floor ({floor:.1f} %), points")
        name_above(figure)

    return draw(paint, name="", title="", caption="", alt="", inches=(WIDTH, 1.0 + 0.23 * len(arms)))


def gains_drawing(results: Sequence[Result]) -> Drawing:
    """Return what arms gain over tasks that learned alone, by the number of tasks known before; a panel for each."""
    columns = 3
    rows = -(-len(results) // columns)

    def paint(figure: Figure) -> None:
        from matplotlib.ticker import MaxNLocator

        panels = figure.subplots(rows, columns, sharey=True, squeeze=False).flat
        for panel, result in zip(panels, results, strict=False):
            panel.axhline(0, color=FLOOR_COLOR, linewidth=1)
            panel.set_title(title_of(result))
            for number, arm in enumerate(SHOWN):
                if arm in transfers(result):
                    _curve(panel, gains_by_known(result, arm), number, arm)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        for panel in panels:
            panel.set_visible(False)
        figure.supxlabel("tasks known before", fontsize=9)
        figure.supylabel("accuracy over the same task learned alone, points", fontsize=9)
        name_above(figure)

    return draw(paint, name="", title="", caption="", alt="", inches=(WIDTH, 0.8 + 2.1 * rows))


def _curve(panel: Any, gains: Mapping[int, Sequence[float]], number: int, arm: str) -> None:
    style = look(number)
    panel.errorbar(
        [known + 0.12 * (number - 1) for known in gains],
        [statistics.fmean(each) for each in gains.values()],
        yerr=[error_of_mean(each) for each in gains.values()],
        color=style.color,
        marker=style.marker,
        markersize=4,
        linewidth=1,
        label=arm,
    )


def gains_by_known(result: Result, arm: str) -> dict[int, list[float]]:
    """Return by the number of tasks known before what each seed gained; without places of tasks that do not count."""
    alone = {
        (run["seed"], row["task"]): row["score"]
        for run in result["runs"][transfers(result)[arm]["against"]]
        for row in run["tasks"]
    }
    gains: dict[int, list[float]] = {}
    for run in result["runs"][arm]:
        for known, row in enumerate(run["tasks"]):
            if known and row["task"] in result["summary"]["counted"]:
                gains.setdefault(known, []).append(row["score"] - alone[run["seed"], row["task"]])
    return gains


def error_of_mean(values: Sequence[float]) -> float:
    """Return the standard error of a mean over seeds; 0 for one seed, which has none."""
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


STREAM_WORDS = {
    "omniglot": "alphabets",
    "vision": "unlike images",
    "text": "texts",
    "clinc": "intents",
    "pacs": "PACS",
}
"""A stream in words, by the first one of its name."""


def title_of(result: Result) -> str:
    """Return the stream of a result file and what was cut of it."""
    per_class = result["per_class"]
    name, _, items = str(result["stream"]).partition("-")
    count = per_class or items
    shown = STREAM_WORDS.get(name, name)
    return f"{shown}, {count} items per class" if count else shown


def capacity_drawing(results: Sequence[Result]) -> Drawing:
    """Return accuracy against the bytes of a task, for both types of packs, and in float16 with other settings."""
    result, *others = results
    curves = [(result, kind, kind) for kind in KINDS]
    for other in others:
        own = ", ".join(each for each in other["settings"] if each not in result["settings"])
        curves.append((other, "float16", f"float16, {own}"))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for number, (of, kind, name) in enumerate(curves):
            style = look(number)
            curve = of["curve"]
            axes.errorbar(
                [each[kind]["bytes_per_task"] / 1e3 for each in curve],
                [each[kind]["score"]["mean"] for each in curve],
                yerr=[each[kind]["score"]["sd"] or 0.0 for each in curve],
                fmt=style.marker,
                color=style.color,
                elinewidth=0.7,
                label=f"{name}, ± deviation over seeds",
            )
        for of in results:
            for each in of["curve"]:
                is_default = of is result and (each["rank"], each["prefix_length"]) == _default_size()
                axes.annotate(
                    f"{each['rank']}, {each['prefix_length']}{' (default)' if is_default else ''}",
                    (each["float16"]["bytes_per_task"] / 1e3, each["float16"]["score"]["mean"]),
                    xytext=(5, -11 if of is result else 5),
                    textcoords="offset points",
                    fontsize=7,
                )
        axes.axhline(result["mean_best_floor"], color=FLOOR_COLOR, linewidth=1, label="best floor")
        axes.set_xlim(left=0)
        axes.set_xlabel("kB a task; beside each point rank, prefixes")
        axes.set_ylabel("accuracy, %")
        name_above(figure)

    return draw(paint, name="", title="", caption="", alt="", inches=(WIDTH, 4.2))


def _default_size() -> tuple[int, int]:
    """Return rank and prefixes of a task on images where nothing is set."""
    return MethodConfig().rank, PREFIX_LENGTH["image"]


PICTURES: dict[str, tuple[Callable[[Sequence[Result]], Drawing], tuple[str, ...]]] = {
    "arms-vision": (arms_drawing, ("arms-vision",)),
    "arms-text": (arms_drawing, ("arms-text",)),
    "capacity-vision": (capacity_drawing, ("capacity-vision", "capacity-vision-faster")),
    "transfer": (
        gains_drawing,
        (
            "transfer-omniglot-5",
            "transfer-omniglot-10",
            "arms-vision",
            "arms-text",
            "transfer-clinc-5",
            "transfer-pacs-10",
        ),
    ),
}
"""By the name of a picture how it is drawn, and the result files that it is drawn from."""


def source_of(paths: Sequence[Path]) -> str:
    """Return the names of result files and the digest of what they hold, as a picture of them says it."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
    return f"{' '.join(path.name for path in paths)} sha256:{digest}"


def save(drawing: Drawing, path: Path, *, source: str) -> None:
    """Write a picture, with what it was drawn from."""
    words = PngImagePlugin.PngInfo()
    words.add_text("Source", source)
    image = Image.open(io.BytesIO(drawing.png)).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    image.save(path, pnginfo=words, optimize=True)


def draw_picture(name: str, folder: Path) -> None:
    """Draw one of the pictures into the folder in which its result files lie."""
    drawing, files = PICTURES[name]
    paths = [folder / f"{file}.json" for file in files]
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    save(drawing(results), folder / f"{name}.png", source=source_of(paths))


def main() -> int:
    """Draw all pictures of a folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="Where the result files lie, and pictures go.")
    folder = parser.parse_args().folder
    for name in PICTURES:
        draw_picture(name, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
