from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecl.errors import RunError
from edgecl.report import compare, report_to_json, summarize, write_report
from edgecl.report.distances import distances_of
from edgecl.report.drawing import Drawing
from edgecl.report.similarity_map import similarity_drawing
from edgecl.training.run import Run
from edgecl.training.signature import store_signature
from tests.edgecl.report.factories import make_plain_run, save_signatures
from tests.edgecl.report.parsed import Page


def make_placed(folder: Path, *, seed: int = 0, **places: float) -> Run:
    """Return a run of three tasks, with signatures of some."""
    run = make_plain_run(folder, 80.0, 70.0, 60.0, seed=seed)
    save_signatures(run, **places)
    return run


def map_of(*runs: Run) -> Drawing | None:
    """Return the map of runs."""
    return similarity_drawing(compare(runs))


def test_a_distance_is_in_the_unit_of_the_features(tmp_path: Path) -> None:
    run = make_placed(tmp_path / "run", bolts=1.0, leaves=4.0, signs=0.0)
    np.testing.assert_array_equal(distances_of(run), [[0, 3, 1], [3, 0, 4], [1, 4, 0]])


def test_tasks_of_the_same_mean_are_apart_by_their_deviations(tmp_path: Path) -> None:
    run = make_placed(tmp_path / "run", bolts=0.0)
    store_signature(run, "leaves", np.array([[-5.0], [5.0]], np.float32))
    assert distances_of(run)[0, 1] == 5.0


def test_a_task_without_a_signature_has_no_distance(tmp_path: Path) -> None:
    run = make_placed(tmp_path / "run", bolts=1.0, leaves=4.0)
    np.testing.assert_array_equal(np.isnan(distances_of(run)[2]), [True, True, True])
    assert distances_of(run)[0, 1] == 3.0


def test_a_damaged_signature_is_an_error(tmp_path: Path) -> None:
    run = make_placed(tmp_path / "run", bolts=1.0)
    (run.task_folder("bolts") / "signature.safetensors").write_bytes(b"damaged")
    with pytest.raises(
        RunError, match="bolts/signature.safetensors: cannot be read .*Restore the run folder"
    ):
        distances_of(run)


def test_the_map_names_the_nearest_and_the_farthest_tasks(tmp_path: Path) -> None:
    found = map_of(make_placed(tmp_path / "run", bolts=1.0, leaves=4.0, signs=0.0))
    assert found is not None
    assert found.alt.endswith("nearest are bolts and signs at 1, farthest leaves and signs at 4.")
    assert "dark cells are near" in found.caption
    assert found.caption.endswith("a task and itself.")


def test_there_is_no_map_without_all_signatures(tmp_path: Path) -> None:
    assert map_of(make_placed(tmp_path / "run", bolts=1.0, leaves=4.0)) is None


def test_one_task_has_no_map(tmp_path: Path) -> None:
    run = make_plain_run(tmp_path / "run", 80.0)
    save_signatures(run, bolts=1.0)
    assert map_of(run) is None


def test_the_map_is_of_the_first_run_with_all_signatures(tmp_path: Path) -> None:
    older = make_placed(tmp_path / "run-0")
    found = map_of(older, make_placed(tmp_path / "run-1", seed=1, bolts=1.0, leaves=4.0, signs=0.0))
    assert found is not None
    assert found.caption.endswith("of seed 1.")


def test_tasks_that_are_all_alike_can_be_drawn(tmp_path: Path) -> None:
    found = map_of(make_placed(tmp_path / "run", bolts=1.0, leaves=1.0, signs=1.0))
    assert found is not None
    assert found.alt.endswith("nearest are bolts and leaves at 0, farthest bolts and leaves at 0.")


def test_arms_share_one_map(tmp_path: Path) -> None:
    places = {"bolts": 1.0, "leaves": 4.0, "signs": 0.0}
    runs = [make_placed(tmp_path / f"run-{seed}", seed=seed, **places) for seed in (0, 1)]
    page = Page(write_report(runs, tmp_path / "report").read_text(encoding="utf-8"))
    assert page.figures.count("similarity") == 1
    assert (tmp_path / "report" / "figures" / "similarity.png").is_file()


def test_json_holds_the_distances(tmp_path: Path) -> None:
    comparison = compare([make_placed(tmp_path / "run", bolts=1.0, leaves=4.0)])
    (arm,) = report_to_json(comparison, [summarize(comparison.arms[0], comparison)])["arms"]
    assert arm["runs"][0]["distances"] == [[0.0, 3.0, None], [3.0, 0.0, None], [None, None, None]]
