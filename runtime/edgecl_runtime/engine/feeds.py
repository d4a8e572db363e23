"""The engine that is always right: the tensors of the task are fed with every call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecl_runtime.engine import ActiveTask
from edgecl_runtime.engine.onnxruntime import check_graph, open_session, run_session
from edgecl_runtime.manifest import Dimensions

__all__ = ["FeedsEngine"]


class FeedsEngine:
    """One onnxruntime session that serves every task; a switch is a choice of feeds.

    Raises:
        BundleFormatError: the file is no graph, or does not keep the contract.
        MissingExtraError: onnxruntime is not installed.
        ProviderError: a wanted provider is not active.
    """

    def __init__(
        self, model_path: Path | str, providers: Sequence[str], *, modality: str, dimensions: Dimensions
    ) -> None:
        path = Path(model_path)
        self._session = open_session(path, providers)
        check_graph(self._session, modality=modality, dimensions=dimensions, path=path)

    def run(self, inputs: Mapping[str, npt.NDArray[Any]], task: ActiveTask | None) -> npt.NDArray[np.float32]:
        """Return features float32 [B, D] of B rows, under a task or under the bare backbone.

        Raises:
            InputError: the graph refuses the inputs.
        """
        feeds = dict(inputs) if task is None else {**inputs, **task.graph_inputs}
        return run_session(self._session, feeds)
