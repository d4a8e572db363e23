"""What a result file has already, when more is added to it: arms of scripts/measure_arms.py, or sizes of adapters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecl.errors import ConfigError
from scripts.arms_tables import CEILING_ARM, FLOOR_ARM

Result = dict[str, Any]

ASKED = ("stream", "reversed", "per_class", "settings")
"""What two measurements of arms must have been asked for, for their arms to stand in one table."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A result file that was written before, whose figures stay.

    Attributes:
        path: The file.
        result: Its content.
    """

    path: Path
    result: Result

    @classmethod
    def read(cls, path: Path) -> Kept:
        """Return what a file holds.

        Raises:
            ConfigError: There is no such file.
        """
        try:
            return cls(path, json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise ConfigError.at(
                path,
                found="no such file",
                expected="a result file that can be added to",
                fix="Leave --add out, which measures the floors and writes the file.",
            ) from None

    def floors(self, seed: int) -> dict[str, float]:
        """Return the best floor of each task under a seed.

        Raises:
            ConfigError: The file has no floors of this seed.
        """
        runs = {run["seed"]: run["tasks"] for run in self.result["runs"][FLOOR_ARM]}
        if seed not in runs:
            raise ConfigError.at(
                self.path,
                found=f"floors of the seeds {', '.join(map(str, runs))}",
                expected=f"those of seed {seed}",
                fix="Add arms with seeds of the file, or measure all arms again without --add.",
            )
        return {row["task"]: row["best_floor"] for row in runs[seed]}

    def require_asked(self, asked: Mapping[str, Any]) -> None:
        """Do nothing if the file is of the stream and the settings that are asked for.

        Raises:
            ConfigError: It is not.
        """
        for key, value in asked.items():
            self._require(key, value, self.result[key])

    def command_with(self, added: str) -> str:
        """Return the commands of the file, a line each, with another one."""
        return "\n".join(dict.fromkeys([*self.result["command"].splitlines(), added]))

    def with_added(self, added: Result) -> Result:
        """Return the content of the file with the arms of another measurement in it; the joint arm stays last.

        Raises:
            ConfigError: The two are of other tasks, settings, backbones or seeds, or an arm that those of the file
                are compared with reached something else.
        """
        self.require_asked({key: added[key] for key in ASKED})
        self._require_references(added)
        self._require("fingerprint of the backbone", added["fingerprint"], self.result["fingerprint"])
        for key in ("best_floor", "counted"):
            self._require(key, added["summary"][key], self.result["summary"][key])
        runs = {**self.result["runs"], **added["runs"]}
        arms = {**self.result["summary"]["arms"], **added["summary"]["arms"]}
        return {
            **added,
            "command": self.command_with(added["command"]),
            "summary": {**self.result["summary"], "arms": _joint_last(arms)},
            "runs": _joint_last(runs),
        }

    def _require_references(self, added: Result) -> None:
        for arm, found in self.result["summary"]["arms"].items():
            against = found.get("forward_transfer", {}).get("against")
            if arm not in added["runs"] and against in added["runs"]:
                now, before = (_scores(result["runs"][against]) for result in (added, self.result))
                self._require(f"{against}, which {arm} is compared with", now, before)

    def _require(self, what: str, found: Any, expected: Any) -> None:
        if found != expected:
            raise ConfigError.at(
                f"--add, {what}",
                found=found,
                expected=f"{expected}, as in {self.path}",
                fix="Add what was measured on the same tasks, settings, backbone and seeds.",
            )


def _scores(runs: list[Result]) -> dict[int, list[float]]:
    return {run["seed"]: [row["score"] for row in run["tasks"]] for run in runs}


def _joint_last(arms: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sorted(arms.items(), key=lambda arm: arm[0] == CEILING_ARM))
