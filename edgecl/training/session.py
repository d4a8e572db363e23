"""What the training of a run works with: its folder, its backbone, its method, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from edgecl.errors import RunError
from edgecl.methods import Method, build_method

if TYPE_CHECKING:
    from edgecl.backbones.huggingface import Backbone
    from edgecl.config import EvaluationConfig, RunConfig
    from edgecl.training.run import Run
    from edgecl.training.train import TrainingReport
    from edgecl.training.workers import Workers


class Session:
    """One process that trains a run.

    Attributes:
        evaluation: What is measured now; the run may have been made with other wishes.
        config: The resolved settings of the run, on the device of this command.
    """

    def __init__(
        self,
        run: Run,
        backbone: Backbone,
        report: TrainingReport,
        workers: Workers,
        *,
        evaluation: EvaluationConfig | None = None,
        device: str | None = None,
    ) -> None:
        self.run, self.backbone, self.report, self.workers = run, backbone, report, workers
        self.evaluation = evaluation or run.record.config.evaluation
        settings = run.record.config
        here = msgspec.structs.replace(settings.training, device=device or settings.training.device)
        self.config: RunConfig = msgspec.structs.replace(settings, training=here)
        self._method: Method | None = None

    def method(self) -> Method:
        """Return the method with what it has learned so far; a fresh one for each task that is trained alone.

        Raises:
            RunError: What earlier tasks left behind is damaged.
        """
        if self._method is None or self.config.method.alone:
            self._method = build_method(self.config, self.backbone.spec.dimensions)
            if not self.config.method.alone:
                self._resume(self._method)
        return self._method

    def _resume(self, method: Method) -> None:
        if not self.run.names or not method.state():
            return
        try:
            method.load_state(self.run.method_state(), self.run)
        except (KeyError, RuntimeError) as error:
            raise RunError(
                f"{self.run.folder}: what later tasks build on is not complete ({error}). Restore the run folder"
            ) from error
