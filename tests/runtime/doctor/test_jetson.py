from __future__ import annotations

import pytest

from edgecl_runtime.doctor import FINE, MEND, NOTE
from tests.runtime.doctor.machines import findings_of, make_bundle, make_facts, make_jetson, only


def test_jetpack_6_is_fine() -> None:
    finding = only("jetpack", make_jetson())
    assert (finding.level, finding.message) == (FINE, "JetPack 6 (Jetson Linux 36.4.3)")


@pytest.mark.parametrize("l4t", [(32, 7, 1), (35, 4, 1)])
def test_an_older_jetpack_has_no_onnxruntime_for_its_gpu(l4t: tuple[int, ...]) -> None:
    finding = only("jetpack", make_jetson(l4t=l4t))
    assert finding.level == MEND
    assert finding.line == "edgecl export RUN --out BUNDLE --device jetson-xavier-nx"


def test_an_older_jetpack_runs_a_bundle_for_the_processor() -> None:
    assert only("jetpack", make_jetson(l4t=(35, 4, 1), bundle=make_bundle())).level == FINE


def test_on_jetpack_7_the_trial_tells() -> None:
    assert only("jetpack", make_jetson(l4t=(39, 2, 0))).level == NOTE


def test_an_unknown_jetpack_is_noted() -> None:
    assert only("jetpack", make_jetson(l4t=(99, 0))).level == NOTE


def test_other_machines_have_no_jetpack() -> None:
    assert findings_of("jetpack", make_facts()) == []
