from __future__ import annotations

import numpy as np

from edgecl.methods.shared import SharedModule
from edgecl_runtime.tensors import TaskTensors
from tests.edgecl.factories import DIMENSIONS, learn, make_new_task, make_settings


def learned(method: SharedModule, name: str) -> TaskTensors:
    tensors = learn(method, make_new_task(name)).materialize()
    assert tensors is not None
    return tensors


def test_a_task_starts_where_the_task_before_ended() -> None:
    method = SharedModule(make_settings("shared"), DIMENSIONS)
    before = learned(method, "first")
    start = method.begin_task(make_new_task("second")).materialize()
    assert np.array_equal(start.adapter_up, before.adapter_up)
    assert not start.head_weight.any()


def test_a_finished_task_gets_the_newest_modules_with_its_own_head() -> None:
    method = SharedModule(make_settings("shared"), DIMENSIONS)
    first, newest = learned(method, "first"), learned(method, "second")
    now = method.current("first", first)
    assert np.array_equal(now.prefix_k, newest.prefix_k)
    assert np.array_equal(now.adapter_up, newest.adapter_up)
    assert np.array_equal(now.head_weight, first.head_weight)
    assert not np.array_equal(now.head_weight, newest.head_weight)


def test_the_start_of_the_modules_comes_from_the_seed_of_the_run() -> None:
    one, other = (SharedModule(make_settings("shared"), DIMENSIONS) for _ in range(2))
    tensors = [
        method.begin_task(make_new_task(name)).materialize() for method, name in ((one, "a"), (other, "b"))
    ]
    assert np.array_equal(tensors[0].prefix_k, tensors[1].prefix_k)
