from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgecl_runtime import Profile, ProviderError, Runtime, SwitchingError, read_bundle
from edgecl_runtime.engine import BACKENDS, Backend, switching
from edgecl_runtime.engine.backends import choose_backend, open_engine
from edgecl_runtime.engine.onnxruntime import open_session
from tests.runtime.factories import IMAGE_BUNDLE, TEXT_BUNDLE, copy_bundle, edit_json

CUDA = ("CUDAExecutionProvider", "CPUExecutionProvider")


@pytest.mark.parametrize(
    ("profile", "backend"),
    [
        (Profile(), "feeds"),
        (Profile(providers=CUDA), "binding"),
        (Profile(backend="flat"), "flat"),
        (Profile(providers=CUDA, backend="feeds"), "feeds"),
    ],
)
def test_the_profile_chooses_the_backend(profile: Profile, backend: Backend) -> None:
    assert choose_backend(profile) == backend


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("folder", [IMAGE_BUNDLE, TEXT_BUNDLE])
def test_a_bundle_opens_with_the_backend_of_its_profile(folder: Path, backend: Backend) -> None:
    bundle = replace(read_bundle(folder), profile=Profile(backend=backend))
    assert open_engine(bundle).backend == backend


def test_a_runtime_takes_the_backend_from_its_bundle(tmp_path: Path) -> None:
    bundle = copy_bundle(tmp_path)
    edit_json(bundle.path / "bundle.json", lambda value: value["profile"].update(backend="flat"))
    assert Runtime.open(bundle.path).status().backend == "flat"


def test_a_gpu_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ProviderError):
        open_engine(replace(read_bundle(IMAGE_BUNDLE), profile=Profile(providers=CUDA)))


def test_a_workstation_may_run_the_bundle_of_a_gpu() -> None:
    bundle = replace(read_bundle(IMAGE_BUNDLE), profile=Profile(providers=CUDA))
    assert open_engine(bundle, providers=("CPUExecutionProvider",)).backend == "feeds"


def test_an_engine_is_tried_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switching, "_SMALL", 1e9)
    with pytest.raises(SwitchingError, match="feeds backend"):
        open_engine(read_bundle(IMAGE_BUNDLE))


@pytest.mark.parametrize(("asked", "profile", "threads"), [(2, 3, 2), (None, 3, 3), (None, None, 0)])
def test_the_number_of_threads_is_the_callers_or_the_profiles(
    asked: int | None, profile: int | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def note(path: Path, providers: tuple[str, ...], *, threads: int | None) -> object:
        session = open_session(path, providers, threads=threads)
        seen.append(session.get_session_options().intra_op_num_threads)  # type: ignore[attr-defined]  # onnxruntime's
        return session

    monkeypatch.setattr("edgecl_runtime.engine.backends.open_session", note)
    open_engine(replace(read_bundle(IMAGE_BUNDLE), profile=Profile(threads=profile)), threads=asked)
    assert seen == [threads]
