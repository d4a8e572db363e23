from __future__ import annotations

from edgecl_devices import load_profile, profile_names
from tests.cli.conftest import Call


def test_every_device_is_a_line(call: Call) -> None:
    called = call("devices", "list")
    assert called.code == 0
    assert [line.split()[0] for line in called.out.splitlines()[2:]] == list(profile_names())


def test_what_is_not_known_is_said_to_be_so(call: Call) -> None:
    [line] = [line for line in call("devices", "list").out.splitlines() if line.startswith("generic-cpu")]
    assert line.split()[1:] == ["CPU", "fp32", "not", "known", "not", "known"]


def test_the_list_is_one_json_object(call: Call) -> None:
    rows = call("devices", "list", "--json").json["devices"]
    assert [row["name"] for row in rows] == list(profile_names())


def test_a_device_is_shown_with_sources_and_install_lines(call: Call) -> None:
    called = call("devices", "show", "raspberry-pi-5")
    profile = load_profile("raspberry-pi-5")
    assert called.code == 0
    assert f"memory     1 GiB  ({profile.sources['memory_bytes']})" in called.out
    assert "latency    not known" in called.out
    assert f"\n  {profile.install[0].line}\n" in called.out


def test_a_device_as_json_leaves_out_what_is_not_known(call: Call) -> None:
    shown = call("devices", "show", "raspberry-pi-5", "--json").json
    assert (shown["threads"], shown["memory_bytes"]) == (4, 2**30)
    assert sorted(shown["sources"]) == ["memory_bytes", "precision", "providers", "threads"]
    assert not {"latency_ms", "batch", "backend"} & shown.keys()
    assert shown["install"][0]["source"].startswith("https://")


def test_an_unknown_device_is_wrong_usage(call: Call) -> None:
    called = call("devices", "show", "toaster")
    assert (called.code, called.out) == (2, "")
    assert called.err.startswith("edgecl: device profile 'toaster' does not exist. Choose one of: ")
