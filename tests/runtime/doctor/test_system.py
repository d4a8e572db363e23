from __future__ import annotations

import pytest

from edgecl_runtime.doctor import FINE, MEND, NOTE
from edgecl_runtime.doctor.facts import Wheel
from tests.runtime.doctor.machines import NUMPY, PIP, make_facts, only


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_64_bit_processor_is_fine(machine: str) -> None:
    assert only("machine", make_facts(machine=machine)).level == FINE


def test_a_32_bit_system_must_be_replaced() -> None:
    finding = only("machine", make_facts(machine="armv7l", wheels=()))
    assert finding.level == MEND
    assert "64-bit edition" in finding.message


def test_python_3_10_gets_its_last_onnxruntime() -> None:
    finding = only("python", make_facts(python=(3, 10, 12), wheels=()))
    assert finding.level == NOTE
    assert "onnxruntime 1.23.2 is the last one" in finding.message


def test_a_newer_python_is_fine() -> None:
    finding = only("python", make_facts())
    assert (finding.level, finding.message) == (FINE, "Python 3.11.2 (/usr/bin/python3)")


def test_a_system_with_musl_has_no_wheels() -> None:
    finding = only("libc", make_facts(glibc=None))
    assert finding.level == MEND
    assert "musl" in finding.message


@pytest.mark.parametrize(("glibc", "level"), [((2, 26), MEND), ((2, 27), FINE), ((2, 36), FINE)])
def test_an_old_glibc_must_be_updated(glibc: tuple[int, int], level: str) -> None:
    assert only("libc", make_facts(glibc=glibc, wheels=())).level == level


def test_wheels_that_fit_are_listed() -> None:
    finding = only("wheels", make_facts(wheels=(NUMPY,)))
    assert (finding.level, finding.message) == (FINE, "numpy 2.4.6")


@pytest.mark.parametrize(
    ("tag", "problem"),
    [
        ("cp310-cp310-manylinux_2_28_x86_64", "Python 3.10, here is 3.11"),
        ("cp312-abi3-manylinux_2_28_x86_64", "Python 3.12, here is 3.11"),
        ("cp311-cp311-manylinux_2_28_aarch64", "manylinux_2_28_aarch64, here is x86_64"),
        ("cp311-cp311-manylinux_2_40_x86_64", "glibc 2.40, here is 2.36"),
    ],
)
def test_a_wheel_for_another_machine_is_installed_again(tag: str, problem: str) -> None:
    finding = only("wheels", make_facts(wheels=(Wheel("numpy", "2.0", (tag,)),)))
    assert finding.level == MEND
    assert finding.message == f"numpy 2.0 was built for {problem}"
    assert finding.line == f"{PIP} install --force-reinstall --no-deps numpy"


@pytest.mark.parametrize(
    "tag", ["py3-none-any", "cp39-abi3-manylinux_2_17_x86_64", "cp311-cp311-linux_x86_64"]
)
def test_a_wheel_of_a_wider_tag_fits(tag: str) -> None:
    assert only("wheels", make_facts(wheels=(Wheel("tokenizers", "1.0", (tag,)),))).level == FINE


def test_a_wheel_of_an_old_tag_needs_the_glibc_that_the_tag_stands_for() -> None:
    wheel = Wheel("numpy", "2.0", ("cp311-cp311-manylinux2014_x86_64",))
    assert only("wheels", make_facts(wheels=(wheel,), glibc=(2, 17))).level == FINE
    assert "glibc 2.17, here is 2.16" in only("wheels", make_facts(wheels=(wheel,), glibc=(2, 16))).message


def test_one_tag_that_fits_is_enough() -> None:
    tags = ("cp311-cp311-manylinux_2_40_x86_64", "cp311-cp311-manylinux_2_17_x86_64")
    assert only("wheels", make_facts(wheels=(Wheel("numpy", "2.0", tags),))).level == FINE
