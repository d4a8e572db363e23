from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from edgecl_runtime import Runtime
from tests.runtime.factories import IMAGE_BUNDLE, IMAGE_PACKS, make_tensors, write_pack_file

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
TASKS = ("leaves", "plain", "steel")


def write_version(folder: Path, version: int) -> Path:
    labels = (f"a{version}", f"b{version}")
    return write_pack_file(folder, version=version, labels=labels, tensors=make_tensors(seed=version))


def open_empty(folder: Path) -> Runtime:
    (folder / "none").mkdir()
    return Runtime.open(IMAGE_BUNDLE, folder / "none")


def test_many_threads_get_what_one_thread_gets() -> None:
    runtime = Runtime.open(IMAGE_BUNDLE, IMAGE_PACKS)
    alone = {task: runtime.predict(IMAGES, task=task).probabilities for task in TASKS}
    asked = [TASKS[number % 3] for number in range(300)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda task: runtime.predict(IMAGES, task=task), asked))
    assert all((result.probabilities == alone[result.task]).all() for result in results)


def test_a_task_that_is_replaced_under_load_answers_as_one_version_or_the_other(tmp_path: Path) -> None:
    paths = [write_version(tmp_path, version) for version in range(1, 21)]
    runtime, expected = open_empty(tmp_path), {}
    for path in paths:
        runtime.add(path)
        prediction = runtime.predict(IMAGES, task="leaves")
        expected[prediction.classes] = prediction.probabilities
    runtime.remove("leaves")
    runtime.add(paths[0])
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(runtime.predict, IMAGES, task="leaves") for _ in range(50)]
        for path in paths[1:]:
            runtime.add(path)
            answers += [pool.submit(runtime.predict, IMAGES, task="leaves") for _ in range(5)]
        results = [answer.result() for answer in answers]
    assert all((result.probabilities == expected[result.classes]).all() for result in results)
    assert results[-1].classes == ("a20", "b20")
