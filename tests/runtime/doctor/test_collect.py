from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edgecl_runtime import InputError
from edgecl_runtime.doctor import collect
from edgecl_runtime.doctor.drive import read_folder
from edgecl_runtime.doctor.shared_libraries import provider_libraries, unlisted_libraries
from edgecl_runtime.store import HighWater, Store
from tests.runtime.doctor.test_elf import make_library
from tests.runtime.factories import IMAGE_BUNDLE, copy_bundle

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw
90 22 8:17 / /media/a\\040stick ro,nosuid shared:2 - vfat /dev/sdb1 rw
"""


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_this_machine_is_described() -> None:
    facts = collect()
    assert (facts.python, facts.executable) == (sys.version_info[:3], sys.executable)
    assert {"numpy", "onnxruntime"} <= {wheel.name for wheel in facts.wheels}
    assert "CPUExecutionProvider" in facts.providers
    assert (facts.bundle, facts.store, facts.folder) == (None, None, None)


def test_wheels_carry_their_tags_and_say_whether_they_are_onnxruntime() -> None:
    wheels = {wheel.name: wheel for wheel in collect().wheels}
    assert wheels["onnxruntime"].is_onnxruntime
    assert not wheels["numpy"].is_onnxruntime
    assert wheels["numpy"].tags[0].startswith(f"cp{sys.version_info[0]}{sys.version_info[1]}-")


def test_the_requirements_of_the_runtime_are_known_by_extra() -> None:
    requirements = collect().requirements
    assert any(wanted.startswith("numpy>=") for wanted in requirements[""])
    assert requirements["image"][0].startswith("pillow>=")


def test_the_software_was_built_before_now() -> None:
    facts = collect()
    assert datetime(2020, 1, 1, tzinfo=timezone.utc) < facts.built <= facts.now


def test_a_jetson_is_known_by_its_release_file(tmp_path: Path) -> None:
    line = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: ...\n"
    write(tmp_path / "etc/nv_tegra_release", line)
    write(tmp_path / "etc/os-release", 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\n')
    facts = collect(root=tmp_path)
    assert (facts.l4t, facts.system) == ((36, 4, 3), "Ubuntu 22.04.5 LTS")


def test_another_machine_is_no_jetson(tmp_path: Path) -> None:
    assert collect(root=tmp_path).l4t is None


def test_a_bundle_is_read_and_tried() -> None:
    bundle = collect(IMAGE_BUNDLE).bundle
    assert bundle is not None
    assert bundle.trial is not None
    assert (bundle.error, bundle.modality, bundle.trial.error) == ("", "image", "")


def test_a_damaged_bundle_is_a_fact_and_not_an_error(tmp_path: Path) -> None:
    bundle = copy_bundle(tmp_path)
    bundle.graph_path.write_bytes(b"changed")
    found = collect(bundle.path).bundle
    assert found is not None
    assert "backbone.onnx" in found.error


def test_a_store_tells_the_time_that_has_passed(tmp_path: Path) -> None:
    Store.create(tmp_path)
    floor = datetime(2026, 12, 24, tzinfo=timezone.utc)
    with Store.open(tmp_path) as store:
        store.high_water.raise_to(HighWater(floor=floor))
    facts = collect(tmp_path)
    assert facts.store is not None
    assert (facts.store.clock_floor, facts.store.active_bytes, facts.bundle) == (floor, 0, None)


def test_a_damaged_store_is_a_fact_and_not_an_error(tmp_path: Path) -> None:
    Store.create(tmp_path)
    for path in tmp_path.glob("active.json*"):
        path.write_bytes(b"changed")
    facts = collect(tmp_path)
    assert facts.store is not None
    assert "active.json" in facts.store.error


def test_another_folder_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither bundle.json nor a device store"):
        collect(tmp_path)


def test_the_drive_of_a_folder_is_the_innermost_mount(tmp_path: Path) -> None:
    mounts = MOUNTS.replace("/media/a\\040stick", str(tmp_path).replace(" ", "\\040"))
    write(tmp_path / "proc/self/mountinfo", mounts)
    folder = read_folder(tmp_path, root=tmp_path)
    assert (folder.kind, folder.mounted_at, folder.is_read_only) == ("vfat", str(tmp_path), True)
    assert folder.free_bytes > 0


def test_a_mount_point_may_have_spaces(tmp_path: Path) -> None:
    place = tmp_path / "a stick"
    place.mkdir()
    write(tmp_path / "proc/self/mountinfo", MOUNTS.replace("/media", str(tmp_path)))
    assert read_folder(place, root=tmp_path).mounted_at == str(place)


def test_a_system_without_mounts_has_a_drive_of_no_kind(tmp_path: Path) -> None:
    folder = read_folder(tmp_path, root=tmp_path)
    assert (folder.kind, folder.is_read_only) == ("", False)


def test_the_libraries_of_providers_are_read_from_their_files(tmp_path: Path) -> None:
    folder = tmp_path / "onnxruntime/capi"
    folder.mkdir(parents=True)
    (folder / "libonnxruntime_providers_tensorrt.so").write_bytes(make_library("libnvinfer.so.10"))
    [library] = provider_libraries(tmp_path)
    assert (library.provider, library.needs) == ("TensorrtExecutionProvider", ("libnvinfer.so.10",))


def test_a_plain_onnxruntime_has_no_libraries_of_providers(tmp_path: Path) -> None:
    assert provider_libraries(tmp_path) == ()


def test_libraries_of_wheels_and_of_cuda_are_found_beside_the_path(tmp_path: Path) -> None:
    write(tmp_path / "site/nvidia/cudnn/lib/libcudnn_of_a_test.so.9", "")
    write(tmp_path / "usr/local/cuda-13/lib64/libcudart_of_a_test.so.13", "")
    found = unlisted_libraries(tmp_path / "site", root=tmp_path)
    assert found == {
        "libcudnn_of_a_test.so.9": str(tmp_path / "site/nvidia/cudnn/lib"),
        "libcudart_of_a_test.so.13": str(tmp_path / "usr/local/cuda-13/lib64"),
    }


def test_a_folder_on_the_path_of_the_loader_is_not_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site/nvidia/cudnn/lib"
    write(folder / "libcudnn_of_a_test.so.9", "")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(folder))
    assert unlisted_libraries(tmp_path / "site", root=tmp_path) == {}
