"""Measure what updates cost a device: bytes on a bad network, time under a drip, requests, disk, and going back.

    python -m scripts.measure_updates --out docs/results/updates-cpu.json

Servers are scripted on loopback. The size of the [ota] extra is that of the files which pip installs for it; this
asks a package index. The drip is waited for with the limits of a device, which takes a minute.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import random
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgecl_runtime.errors import TransferError
from edgecl_runtime.ota.limits import Limits
from edgecl_runtime.ota.origin import open_origin
from edgecl_runtime.ota.transfer import Item, download
from edgecl_runtime.ota.trust import Trust
from edgecl_runtime.store import Store
from scripts.measure_going_back import measure_going_back
from tests.ota.fault_server import Answer, FaultServer, drip, drop_after, head, serve, serve_tree
from tests.ota.simulator import Simulator

FILE_BYTES = 5_000_000
DROPS = 5
BUNDLE = Path("tests/data/bundles/image")
PACK = Path("tests/data/packs/v1/image/leaves-1.ecpack")
COMPILED = (".so", ".pyd", ".dylib")


def resumed_download() -> dict[str, Any]:
    """Return how many bytes a file costs whose connection drops again and again."""
    content = random.Random(0).randbytes(FILE_BYTES)
    answers: list[Answer] = [drop_after(content, FILE_BYTES // (DROPS + 1))] * DROPS
    with tempfile.TemporaryDirectory() as folder, FaultServer([*answers, serve(content)]) as server:
        with open_origin(server.url) as origin:
            item = Item("file", FILE_BYTES, hashlib.sha256(content).hexdigest())
            download(origin, item, Path(folder) / "partial")
        return {
            "file_bytes": FILE_BYTES,
            "drops": DROPS,
            "sent_bytes": server.sent,
            "ratio": round(server.sent / FILE_BYTES, 4),
            "connections_at_once": server.most_open_lines,
        }


def dripped_download() -> dict[str, Any]:
    """Return when and how a download ends that gets two bytes a second."""
    limits = Limits()
    answer = drip(head(200, Content_Length=FILE_BYTES), every_s=0.5)
    with (
        tempfile.TemporaryDirectory() as folder,
        FaultServer([answer]) as server,
        open_origin(server.url) as origin,
    ):
        started = time.monotonic()
        try:
            download(origin, Item("file", FILE_BYTES, "0" * 64), Path(folder) / "partial", limits=limits)
        except TransferError as error:
            ended_s = time.monotonic() - started
            allowed_s = limits.grace_s + origin.received / limits.min_rate
            return {
                "reason": error.reason,
                "deadline_s": round(allowed_s, 2),
                "ended_after_s": round(ended_s, 2),
                "received_bytes": origin.received,
            }
    raise AssertionError("a drip was taken for a file")


def polls() -> dict[str, Any]:
    """Return requests and bytes of the first poll of a device, and of one without news."""
    sim = Simulator(datetime.now(UTC))
    for number in range(10):
        sim.add_pack(random.Random(number).randbytes(64), task=f"task-{number}")
    sim.publish()
    tree = serve_tree({f"/{name}": content for name, content in sim.files.items()})
    with tempfile.TemporaryDirectory() as folder, FaultServer([tree]) as server:
        state = Path(folder)
        Store.create(state)
        names = ("first", "without_news")
        return {name: poll(server.url, state, sim.root_bytes()) for name in names}


def poll(url: str, state: Path, root: bytes) -> dict[str, int]:
    """Return requests and bytes of one poll."""
    with Store.open(state) as store, open_origin(url) as origin:
        Trust(state, root=root, origin=origin, high_water=store.high_water).refresh()
        return {"requests": origin.requests, "body_bytes": origin.received}


def installed_extra() -> dict[str, Any]:
    """Return what the [ota] extra adds to a device: packages, bytes without byte-code, compiled files."""
    project = tomllib.loads(Path("runtime/pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["optional-dependencies"]["ota"]
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "install", "--no-compile"]
        subprocess.run([*pip, "--target", folder, *wanted], check=True)
        files = [file for file in Path(folder).rglob("*") if file.is_file()]
        return {
            "requires": wanted,
            "packages": sorted(
                path.name.removesuffix(".dist-info") for path in Path(folder).glob("*.dist-info")
            ),
            "bytes": sum(file.stat().st_size for file in files),
            "compiled_files": sum(file.suffix in COMPILED for file in files),
        }


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    result = {
        "resumed_download": resumed_download(),
        "drip_of_2_bytes_per_second": dripped_download(),
        "polls": polls(),
        "extra_ota": installed_extra(),
        "going_back": asdict(measure_going_back(BUNDLE, PACK)),
        "versions": {name: version(name) for name in ("edgecl-runtime", "tuf", "urllib3")},
        "machine": {
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
        },
    }
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
