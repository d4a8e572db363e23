from __future__ import annotations

from edgecl_runtime.doctor import FINE, MEND, NOTE
from edgecl_runtime.doctor.facts import Wheel
from tests.runtime.doctor.machines import (
    CPU,
    CUDA,
    GPU,
    NUMPY,
    PIP,
    findings_of,
    make_bundle,
    make_facts,
    make_jetson,
    make_store,
    only,
)


def test_a_missing_onnxruntime_is_installed() -> None:
    finding = only("onnxruntime", make_facts(wheels=(NUMPY,)))
    assert (finding.level, finding.message) == (MEND, "not installed")
    assert finding.line == f'{PIP} install "onnxruntime>=1.23"'


def test_the_bundle_says_which_onnxruntime_is_missing() -> None:
    finding = only("onnxruntime", make_facts(wheels=(NUMPY,), bundle=make_bundle(providers=CUDA)))
    assert finding.line == f'{PIP} install "onnxruntime-gpu[cuda,cudnn]"'


def test_on_a_jetson_it_comes_from_the_index_for_jetpack_6() -> None:
    finding = only("onnxruntime", make_jetson(wheels=(NUMPY,)))
    assert finding.line.endswith("onnxruntime-gpu --index-url https://pypi.jetson-ai-lab.io/jp6/cu126")


def test_an_onnxruntime_that_cannot_be_imported_is_installed_again() -> None:
    finding = only("onnxruntime", make_facts(onnxruntime_error="no module named capi"))
    assert finding.level == MEND
    assert finding.message == "onnxruntime cannot be imported: no module named capi"
    assert finding.line == f'{PIP} uninstall -y onnxruntime && {PIP} install "onnxruntime>=1.23"'


def test_an_onnxruntime_that_works_shows_its_providers() -> None:
    assert only("onnxruntime", make_facts()).message == "onnxruntime 1.31.1: CPUExecutionProvider"


def test_two_distributions_of_onnxruntime_overwrite_each_other() -> None:
    finding = only("clashes", make_facts(wheels=(CPU, GPU)))
    assert finding.level == MEND
    assert finding.message.startswith("onnxruntime and onnxruntime-gpu are both installed")


def test_of_two_that_clash_the_one_that_the_bundle_asks_for_stays() -> None:
    line = f"{PIP} uninstall -y onnxruntime onnxruntime-gpu && {PIP} install"
    for_cpu = only("clashes", make_facts(wheels=(CPU, GPU), bundle=make_bundle()))
    for_gpu = only("clashes", make_facts(wheels=(CPU, GPU), bundle=make_bundle(providers=CUDA)))
    assert for_cpu.line == f'{line} "onnxruntime>=1.23"'
    assert for_gpu.line == f'{line} "onnxruntime-gpu[cuda,cudnn]"'


def test_one_distribution_of_onnxruntime_does_not_clash() -> None:
    extension = Wheel("onnxruntime-extensions", "0.14.0")
    assert only("clashes", make_facts(wheels=(CPU, extension))).level == FINE


def test_an_old_distribution_is_updated() -> None:
    finding = only("versions", make_facts(wheels=(CPU, Wheel("numpy", "1.24.4"))))
    assert finding.message == "numpy 1.24.4 is too old: edgecl-runtime needs numpy>=1.26"
    assert (finding.level, finding.line) == (MEND, f'{PIP} install "numpy>=1.26"')


def test_versions_are_compared_as_numbers() -> None:
    assert only("versions", make_facts(wheels=(CPU, Wheel("numpy", "1.100.0rc1")))).level == FINE


def test_an_old_onnxruntime_gpu_is_not_mistaken_for_the_plain_one() -> None:
    finding = only("versions", make_facts(wheels=(Wheel("onnxruntime-gpu", "1.18.0"),)))
    assert finding.line == f'{PIP} install "onnxruntime-gpu>=1.23"'


def test_a_text_bundle_needs_tokenizers() -> None:
    finding = only("extras", make_facts(bundle=make_bundle(modality="text")))
    assert (finding.level, finding.line) == (MEND, f'{PIP} install "tokenizers>=0.21"')


def test_an_image_bundle_works_on_arrays_without_pillow() -> None:
    finding = only("extras", make_facts(wheels=(CPU,), bundle=make_bundle()))
    assert (finding.level, finding.line) == (NOTE, f'{PIP} install "pillow>=11.0"')


def test_a_store_needs_tuf() -> None:
    finding = only("extras", make_facts(wheels=(CPU,), store=make_store()))
    assert (finding.level, finding.line) == (MEND, f'{PIP} install "tuf>=6.0"')


def test_nothing_optional_is_asked_for_without_a_bundle() -> None:
    assert findings_of("extras", make_facts(wheels=(CPU,))) == []
