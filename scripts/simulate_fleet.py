"""Let a fleet of simulated devices follow one repository through rollouts, a withdrawal and a bad network.

    python scripts/simulate_fleet.py --devices 10000 --out docs/results/fleet-10000.json

The repository is published and verified for real, once per publication. Each simulated device has the real state of a
store, the real choice of what to install and the real back-off; the network is a model: which files a poll asks for,
how long they are, and whether a request fails. Before anything is simulated, some real devices with real stores follow
the same publications, and the model has to ask for the same number of files and bytes and end in the same state.
Beside the figures it writes a plot of the same name.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import tempfile
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from edgecl_runtime.errors import TransferError
from edgecl_runtime.ota.backoff import Tries
from edgecl_runtime.ota.limits import Deadline, Limits
from edgecl_runtime.ota.plan import make_plan
from edgecl_runtime.ota.probe import ProbeResult
from edgecl_runtime.ota.select import BUCKETS, Device, Selector, bucket
from edgecl_runtime.ota.setup import set_up
from edgecl_runtime.ota.updater import Updater
from edgecl_runtime.store import State, StoreReader
from edgecl_runtime.store.transitions import begin, commit, withdraw
from scripts.fleet_history import HOUR_S, Moment, make_history
from scripts.repository_workload import PACKAGES, FixedClock
from scripts.result_files import surroundings, write_result

MINUTE_S = 60.0
TASK = "leaves"


@dataclass
class Network:
    """A network on which a share of the requests breaks off somewhere, and what went over it."""

    failing: float
    random: random.Random
    requests: list[float] = field(default_factory=list)
    failed_polls: int = 0

    def get(self, device: SimulatedDevice, length: int, *, resumes: bool) -> None:
        """Fetch a file with the tries and waits of a device; TransferError if it gives up."""
        deadline = Deadline(Limits(), clock=lambda: device.now_s)
        tries = Tries(deadline, device.wait, self.random.random)
        have = 0
        while True:
            device.requests += 1
            self.requests.append(device.now_s)
            if self.random.random() >= self.failing:
                device.received += length - have
                return
            came = int(self.random.random() * (length - have))
            device.received += came
            deadline.note(came)
            have += came if resumes else 0
            tries.after(TransferError("network", found="an end", expected="more", reason="interrupted"))


@dataclass
class SimulatedDevice:
    """One device: its state and choices are the runtime's own, its network and disk are counted only."""

    device: Device
    offset_s: float
    state: State = field(default_factory=State)
    cached: dict[str, int] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    settled: str = ""
    requests: int = 0
    received: int = 0
    now_s: float = 0.0

    def wait(self, seconds: float) -> None:
        """Let time go by."""
        self.now_s += seconds

    def poll(self, moment: Moment, network: Network, *, at_s: float, begin_of_time: datetime) -> None:
        """Ask for news once, and install them; what fails is left to the next poll."""
        self.now_s = at_s
        try:
            self._refresh(moment, network)
            if self.settled == moment.name:  # no release of this history waits for an hour
                return
            rollouts = moment.offer.rollouts()
            taken_back = {sha256: record.severity for sha256, record in rollouts.items() if record.withdrawn}
            self.state = withdraw(self.state, taken_back)
            now = begin_of_time + timedelta(seconds=self.now_s)
            selector = Selector(self.device, rollouts, self.state.quarantine, now)
            for step in make_plan(moment.offer, self.state, selector).steps:
                for content in step.contents():
                    if content.sha256 not in self.held:
                        network.get(self, content.length, resumes=True)
                        self.held.add(content.sha256)
                self.state = commit(begin(self.state, step.selection(self.state.active)))
            self.settled = moment.name
        except TransferError:
            network.failed_polls += 1

    def version(self) -> int:
        """Return the version of the task that is in use, 0 for none; it is the counter of its release."""
        pack = self.state.active.packs.get(TASK)
        return 0 if pack is None else pack.release_counter

    def _refresh(self, moment: Moment, network: Network) -> None:
        network.get(self, 0, resumes=False)  # the root after the known one, which is not there
        for role, version in moment.versions.items():
            if role == "timestamp" or self.cached.get(role) != version:
                network.get(self, moment.sizes[role], resumes=False)
                self.cached[role] = version


@dataclass
class Run:
    """One fleet on one network, from the first publication to the end.

    Attributes:
        devices: All of them, as they are at the end.
        network: What went over it.
        polls: How often devices asked.
        changes: When a device changed the version of the task, from which to which.
        traffic: Requests and bytes of all devices, by publication.
    """

    devices: list[SimulatedDevice]
    network: Network
    polls: int = 0
    changes: list[tuple[float, int, int]] = field(default_factory=list)
    traffic: dict[str, tuple[int, int]] = field(default_factory=dict)

    def curve(self, version: int, times_s: Sequence[float]) -> list[float]:
        """Return the percentage of devices that use a version at some times."""
        came = sorted(when for when, _, after in self.changes if after == version)
        went = sorted(when for when, before, _ in self.changes if before == version)
        return [100 * (bisect(came, at) - bisect(went, at)) / len(self.devices) for at in times_s]

    def share(self, version: int, at_s: float) -> float:
        """Return the percentage of devices that use a version at a time."""
        return self.curve(version, [at_s])[0]

    def minutes_until(self, share: float, version: int, since_s: float) -> float:
        """Return how long after a time so many percent use a version (or, for a share of 0, none does)."""
        count = round(self.share(version, since_s) / 100 * len(self.devices))
        wanted = share / 100 * len(self.devices)
        for when, before, after in sorted(change for change in self.changes if change[0] > since_s):
            count += (after == version) - (before == version)
            if (share and count >= wanted) or (not share and count == 0):
                return round((when - since_s) / MINUTE_S, 1)
        return math.nan


def simulate(
    moments: Sequence[Moment], *, devices: int, failing: float, seed: int, begin_of_time: datetime
) -> Run:
    """Return what a fleet does that polls as the timer of the runtime does: hourly, each device at its own minute."""
    dice = random.Random(seed)
    fleet = [
        SimulatedDevice(Device(f"{dice.getrandbits(128):032x}"), dice.random() * HOUR_S)
        for _ in range(devices)
    ]
    fleet.sort(key=lambda device: device.offset_s)
    run = Run(fleet, Network(failing, dice))
    for moment in moments:
        before = _totals(fleet)
        for hour in range(round(moment.begins_s / HOUR_S), round(moment.ends_s / HOUR_S)):
            for device in fleet:
                had = device.version()
                at_s = hour * HOUR_S + device.offset_s
                device.poll(moment, run.network, at_s=at_s, begin_of_time=begin_of_time)
                run.polls += 1
                if device.version() != had:
                    run.changes.append((device.now_s, had, device.version()))
        after = _totals(fleet)
        run.traffic[moment.name] = (after[0] - before[0], after[1] - before[1])
    return run


def check_model(moments: Sequence[Moment], folder: Path, *, devices: int, begin_of_time: datetime) -> int:
    """Let real devices follow too, and return their polls, each of which the model foretold in files, bytes and state.

    Raises:
        RuntimeError: one of them differs.
    """
    polls = 0
    for number in range(devices):
        simulated = SimulatedDevice(Device(f"device {number}"), 0.0)
        network = Network(0.0, random.Random(number))
        store = folder / f"device-{number}"
        root = moments[0].tree / "metadata" / "1.root.json"
        set_up(store, repository="https://repository.invalid", root=root, device_id=f"device {number}")
        for moment in moments:
            for at_s in (moment.begins_s + MINUTE_S, moment.begins_s + HOUR_S):
                before = simulated.requests, simulated.received
                simulated.poll(moment, network, at_s=at_s, begin_of_time=begin_of_time)
                clock = FixedClock(begin_of_time + timedelta(seconds=at_s))
                updater = Updater(store, clock=clock, probe=lambda *_: ProbeResult(None))
                report = updater.install_from(moment.tree)
                active = StoreReader(store).state().active
                foretold = (
                    simulated.requests - before[0],
                    simulated.received - before[1],
                    simulated.state.active,
                )
                if (report.requests, report.received_bytes, active) != foretold or report.errors:
                    raise RuntimeError(f"{moment.name}: foretold {foretold}, found {report} with {active}")
                polls += 1
    return polls


def rollout_accuracy(*, ids: int, salts: int) -> dict[str, float]:
    """Return how far the share of so many devices below a percentage is from it, in points."""
    names = [f"{number:032x}" for number in range(ids)]
    errors, canaries = [], []
    for salt in range(salts):
        counts = [0] * BUCKETS
        first = set()
        for name in names:
            place = bucket(name, salt=f"salt {salt}", sha256="0" * 64)
            counts[place] += 1
            if place < BUCKETS // 100:
                first.add(name)
        canaries.append(first)
        errors += [
            sum(counts[: percent * BUCKETS // 100]) / ids * 100 - percent for percent in (1, 10, 25, 50, 75)
        ]
    again = [len(one & other) / len(one) * 100 for one, other in pairwise(canaries)]
    return {
        "ids": ids,
        "salts": salts,
        "largest_error_points": round(max(map(abs, errors)), 3),
        "within_0.3_points": round(statistics.fmean(abs(error) <= 0.3 for error in errors), 4),
        "first_1_percent_again_in_the_next_release_percent": round(statistics.fmean(again), 2),
    }


def figures(run: Run, moments: Sequence[Moment]) -> dict[str, Any]:
    """Return what is published about a run."""
    by_name = {moment.name: moment for moment in moments}
    count = len(run.devices)
    staged = {1: "leaves-2 to 1 %", 10: "leaves-2 to 10 %", 50: "leaves-2 to 50 %", 100: "leaves-2 to 100 %"}
    latest = by_name["leaves-3 to 100 %"]
    minutes = Counter(int(when / MINUTE_S) for when in run.network.requests if when >= latest.begins_s)
    span = round((latest.ends_s - latest.begins_s) / MINUTE_S)
    hourly = Counter(minute // 60 for minute in minutes.elements())
    return {
        "polls": run.polls,
        "polls_that_failed": run.network.failed_polls,
        "rollout_percent": {
            str(percent): {
                "reached": round(run.share(2, by_name[name].ends_s), 2),
                "standard_deviation_of_chance": round(math.sqrt(percent * (100 - percent) / count), 2),
            }
            for percent, name in staged.items()
        },
        "minutes_to_full_adoption": {
            name: {
                f"{share} %": run.minutes_until(share, version, by_name[name].begins_s)
                for share in (50, 99, 100)
            }
            for name, version in (("leaves-2 to 100 %", 2), ("leaves-3 to 100 %", 3))
        },
        "minutes_until_nobody_has_what_was_withdrawn": run.minutes_until(
            0, 2, by_name["leaves-2 withdrawn"].begins_s
        ),
        "percent_that_fell_back_to_the_version_before": run.share(1, by_name["leaves-2 withdrawn"].ends_s),
        "a_device_and_hour": {
            name: {
                "requests": round(requests / count / hours(by_name[name]), 2),
                "bytes": round(received / count / hours(by_name[name])),
            }
            for name, (requests, received) in run.traffic.items()
        },
        "spread_of_the_last_release": {
            "requests_in_the_busiest_minute": max(minutes.values()),
            "requests_in_a_mean_minute": round(sum(minutes.values()) / span, 1),
            "if_all_asked_in_the_same_minute": max(hourly.values()),
        },
    }


def hours(moment: Moment) -> float:
    """Return how long a publication was the newest."""
    return (moment.ends_s - moment.begins_s) / HOUR_S


def plot(runs: dict[str, Run], moments: Sequence[Moment], path: Path) -> None:
    """Draw who uses what over time, and the requests of each minute."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    grid = [minute * 5 * MINUTE_S for minute in range(round(moments[-1].ends_s / MINUTE_S / 5) + 1)]
    for (name, run), style in zip(runs.items(), ("-", "--"), strict=True):
        for version, colour in ((1, "tab:blue"), (2, "tab:orange"), (3, "tab:green")):
            shares = run.curve(version, grid)
            above.plot(
                [at / HOUR_S for at in grid],
                shares,
                style,
                color=colour,
                label=f"{TASK}-{version}, {name}",
            )
        minutes = Counter(int(when / MINUTE_S) for when in run.network.requests)
        below.plot(
            [minute / 60 for minute in sorted(minutes)],
            [minutes[each] for each in sorted(minutes)],
            style,
            label=name,
        )
    for moment in moments:
        above.axvline(moment.begins_s / HOUR_S, color="lightgrey", zorder=0)
        above.annotate(
            moment.name, (moment.begins_s / HOUR_S, 101), rotation=20, fontsize=7, annotation_clip=False
        )
    above.set_ylabel("devices that use it, %")
    above.legend(fontsize=7)
    below.set(xlabel="hours", ylabel="requests a minute", yscale="log")
    below.legend(fontsize=7)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Simulate and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--real-devices", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    begin_of_time = datetime.now(UTC).replace(microsecond=0)
    with tempfile.TemporaryDirectory() as folder:
        moments = make_history(Path(folder), begin=begin_of_time)
        checked = check_model(
            moments, Path(folder), devices=options.real_devices, begin_of_time=begin_of_time
        )
    runs = {
        name: simulate(
            moments, devices=options.devices, failing=share, seed=options.seed, begin_of_time=begin_of_time
        )
        for name, share in (("no failures", 0.0), ("5 % of requests fail", 0.05))
    }
    result = {
        "settings": {"devices": options.devices, "seed": options.seed, "hours": moments[-1].ends_s / HOUR_S},
        "model": {"real_devices": options.real_devices, "polls_foretold_exactly": checked},
        "release_bytes": {
            release.path.rpartition("/")[2]: release.length for release in moments[-1].offer.pack_releases
        },
        "rollout_accuracy": rollout_accuracy(ids=100_000, salts=20),
        "runs": {name: figures(run, moments) for name, run in runs.items()},
    }
    write_result(options.out, result | surroundings(*PACKAGES))
    plot(runs, moments, options.out.with_suffix(".png"))


def _totals(fleet: Iterable[SimulatedDevice]) -> tuple[int, int]:
    devices = list(fleet)
    return sum(device.requests for device in devices), sum(device.received for device in devices)


if __name__ == "__main__":
    main()
