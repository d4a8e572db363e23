from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from edgecl_export.adapters import ADAPTER_SUFFIX, write_adapter
from edgecl_export.twin import write_twin
from edgecl_runtime import Runtime, build_preprocessor, read_pack, write_pack
from edgecl_runtime.engine.onnxruntime import import_onnxruntime
from tests.exported import Field

EXAMPLES = Path(__file__).parents[2] / "examples"
SIDE = 32
INT8_TASK = "tones"


@dataclass(frozen=True, slots=True)
class Stage:
    """A folder with a bundle that every example can run, and one preprocessed image.

    Attributes:
        folder: Holds `bundle/`, `image.f32`, and the JavaScript example with its packages.
        tools: What `scripts/set_up_examples.sh` brought.
        pixels: The image before it was preprocessed, uint8 [32, 32, 3].
    """

    folder: Path
    tools: Path
    pixels: np.ndarray

    @property
    def bundle(self) -> Path:
        """The bundle."""
        return self.folder / "bundle"

    @property
    def image(self) -> Path:
        """The preprocessed image."""
        return self.folder / "image.f32"

    def runtime(self) -> Runtime:
        """Return what the examples are compared with."""
        return Runtime.open(self.bundle)

    def pack(self, task: str) -> Path:
        """Return the pack of a task."""
        return self.runtime().pack(task).path


@pytest.fixture(scope="session")
def tools() -> Path:
    """What the examples are built with; `make examples` brings it and names it."""
    return Path(os.environ["EDGECL_EXAMPLES"]).resolve()


@pytest.fixture(scope="session")
def stage(image_field: Field, tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("stage")
    bundle = image_field.copy_bundle(folder)
    write_twin(bundle / "backbone.onnx", bundle / "backbone.explicit.onnx")
    store_in_int8(image_field.pack(INT8_TASK), bundle / "packs" / f"{INT8_TASK}-2.ecpack")
    for path in (bundle / "packs").glob("*.ecpack"):
        write_adapter(read_pack(path), path.with_suffix(ADAPTER_SUFFIX))
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    preprocessor = build_preprocessor(Runtime.open(bundle).bundle.preprocessing, folder=bundle)
    preprocessor.batch(preprocessor.prepare([pixels]))["pixel_values"].tofile(folder / "image.f32")
    for path in (EXAMPLES / "javascript").iterdir():
        shutil.copy(path, folder)
    (folder / "node_modules").symlink_to(tools / "javascript" / "node_modules")
    return Stage(folder, tools, pixels)


@pytest.fixture(scope="session")
def cpp_program(stage: Stage) -> Path:
    """The C++ example, compiled."""
    program = stage.folder / "edgecl_example"
    include = stage.tools / "cpp" / "usr" / "include"
    options = [f"OUT={program}", f"ONNXRUNTIME_INCLUDE={include}/onnxruntime", f"JSON_INCLUDE={include}"]
    subprocess.run(
        [
            "make",
            "--silent",
            f"--directory={EXAMPLES / 'cpp'}",
            "CXXFLAGS=-O1 -Wall -Wextra -Werror",
            *options,
        ],
        check=True,
    )
    return program


@pytest.fixture(scope="session")
def onnxruntime_library() -> Path:
    """The library of the installed onnxruntime."""
    (library,) = (Path(import_onnxruntime().__file__).parent / "capi").glob("libonnxruntime.so.*")
    return library


def store_in_int8(source: Path, out: Path) -> None:
    """Write version 2 of a pack, with its tensors in int8."""
    pack = read_pack(source)
    manifest = replace(pack.manifest, version=2)
    write_pack(out, manifest, pack.tensors.rounded("I8"), pack.probe_features, int8=True)
