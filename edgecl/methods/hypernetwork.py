"""The network that generates modules of all tasks, with what it remembers of the tasks it has learned."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from edgecl.generators import (
    BoundedRows,
    IntervalGenerator,
    adam_step,
    ahead,
    choose_tasks,
    drift,
    fresh_decoder,
    shared_decoder,
)
from edgecl.methods.guide import EmbeddingGuide

if TYPE_CHECKING:
    from torch.optim import AdamW

    from edgecl.config import GeneratorConfig
    from edgecl.generators import Network
    from edgecl.methods.base import EarlierTasks, NewTask
    from edgecl.methods.rows import RowTarget


class Hypernetwork:
    """A generator, the embedding of every task it has learned, and what it generated when each of them ended.

    The targets of the drift loss are the stored tensors of the packs: what is protected is what was shipped. Bounds of
    boxes are in no pack; where they are protected, they are part of the state. As published, targets are regenerated
    instead: by the network as the last task left it, but for its layer embedding, which is the current one.
    """

    def __init__(self, network: Network, target: RowTarget, config: GeneratorConfig, *, seed: int) -> None:
        self.network, self.target = network, target
        self.decoder = _decoder(network, config, seed=seed)
        self._config = config
        self._protected = _protected(network, config)
        self._embeddings: dict[str, Tensor] = {}
        self._stored: list[Tensor] = []
        self._left: dict[str, Tensor] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The learned tasks in the order of training."""
        return tuple(self._embeddings)

    def embedding(self, name: str) -> Tensor:
        """Return the embedding of a learned task."""
        return self._embeddings[name]

    def generate(self, embedding: Tensor) -> Tensor:
        """Return the rows of one task, [L, rows, D], of its embedding; differentiable."""
        with _full_precision(embedding):
            rows: Tensor = self.network(embedding.to(_device(self.network))[None])[0]
        return rows

    def explore(self, embedding: Tensor, random: torch.Generator) -> Tensor:
        """Return the rows [L, rows, D] of one task as a step of training sees them; differentiable."""
        with _full_precision(embedding):
            return self.network.explore(embedding[None], generator=random)[0]

    def guide(self, task: NewTask) -> EmbeddingGuide | None:
        """Return what guides the embedding of a new task; None without relations, or where they are noise."""
        if task.relations is None or not task.relations.reliable:
            return None
        if self._config.guidance == "paper":
            self.decoder = _decoder(self.network, self._config, seed=task.seed)
        anchors = torch.stack([self.embedding(name) for name in task.relations.distances])
        return EmbeddingGuide(task, anchors, self._config, encode=self.network.encode, decoder=self.decoder)

    def remember(self, name: str, embedding: Tensor) -> None:
        """Keep a task that was learned, with what is generated for it now."""
        self._embeddings[name] = embedding.detach().clone().cpu()
        with torch.no_grad():
            rows: Tensor = self._protected(embedding.to(_device(self.network))[None])[0]
            self._stored.append(rows)
        self._leave()

    def penalty(self, optimizer: AdamW, rng: np.random.Generator) -> Tensor | None:
        """Return the weighted drift of earlier tasks, of some drawn at random; None if nothing is to be kept."""
        is_trained = any(parameter.requires_grad for parameter in self.network.parameters())
        if not self._stored or self._config.drift_weight == 0 or not is_trained:
            return None
        chosen = choose_tasks(len(self._stored), self._config.drift_tasks, rng)
        known, device = tuple(self._embeddings.values()), _device(self.network)
        embeddings = torch.stack([known[index] for index in chosen]).to(device)
        stored = self._targets(chosen, embeddings)
        now = (
            self._look_ahead(optimizer, embeddings) if self._config.lookahead else self._protected(embeddings)
        )
        return self._config.drift_weight * drift(now, stored, form=self._config.drift)

    def _targets(self, chosen: Tensor, embeddings: Tensor) -> Tensor:
        """Return what the rows of earlier tasks are compared with, [N, L, rows, D], detached."""
        if self._config.drift_targets == "regenerated":
            left = {name: tensor.to(embeddings.device) for name, tensor in self._left.items()}
            with torch.no_grad():
                rows: Tensor = functional_call(self._protected, left, (embeddings,))
            return rows
        # What a stored run brought along is on the CPU, what was generated since is where the network is.
        return torch.stack([self._stored[index].to(embeddings.device) for index in chosen])

    def _leave(self) -> None:
        """Keep the network as a task left it, where targets are regenerated."""
        if self._config.drift_targets == "regenerated":
            self._left = {
                name: parameter.detach().clone()
                for name, parameter in self._protected.named_parameters()
                if not name.endswith("layer_embedding")
            }

    def _look_ahead(self, optimizer: AdamW, embeddings: Tensor) -> Tensor:
        steps = adam_step(optimizer, self.network.parameters())
        rows: Tensor = functional_call(self._protected, ahead(self._protected, steps), (embeddings,))
        return rows

    def state(self) -> dict[str, Tensor]:
        """Return the network, the embeddings, and the decoder of guidance."""
        network = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        if self.decoder is not None:
            network |= {f"decoder.{name}": tensor for name, tensor in self.decoder.state_dict().items()}
        if self._protected is not self.network:
            network |= {f"bounds.{name}": rows for name, rows in zip(self.names, self._stored, strict=True)}
        return network | {f"embedding.{name}": tensor for name, tensor in self._embeddings.items()}

    def load_state(self, state: Mapping[str, Tensor], earlier: EarlierTasks) -> None:
        """Go on from a stored state; what was generated is read from the stored tensors of the tasks."""
        self.network.load_state_dict({name: state[f"network.{name}"] for name in self.network.state_dict()})
        if self.decoder is not None:
            self.decoder.load_state_dict(
                {name: state[f"decoder.{name}"] for name in self.decoder.state_dict()}
            )
        self._embeddings = {name: state[f"embedding.{name}"] for name in earlier.names}
        if self._protected is self.network:
            self._stored = [self.target.rows(earlier.tensors(name)) for name in earlier.names]
        else:
            self._stored = [state[f"bounds.{name}"] for name in earlier.names]
        self._leave()


def _full_precision(embedding: Tensor) -> AbstractContextManager[object]:
    """Return a context in which rows are made in float32 also where the backbone computes in bfloat16.

    What is generated is stored, and held against what was stored: rounded, it would drift by the rounding.
    """
    return torch.autocast(embedding.device.type, enabled=False)


def _protected(network: Network, config: GeneratorConfig) -> nn.Module:
    """Return what makes the rows that the drift loss compares: the network, or that of its bounds."""
    if config.interval_drift == "bounds" and isinstance(network, IntervalGenerator):
        return BoundedRows(network)
    return network


def _decoder(network: Network, config: GeneratorConfig, *, seed: int) -> nn.Module | None:
    """Return a fresh decoder for the modes of guidance that decode; None for the others."""
    if config.guidance not in {"decoder", "paper"}:
        return None
    random = torch.Generator().manual_seed(seed)
    probe = network.new_embedding(random).to(_device(network))
    encoded = network.encode(probe[None])[0]
    build = shared_decoder if config.guidance == "decoder" else fresh_decoder
    return build(len(encoded), len(probe), generator=random)


def _device(network: Network) -> torch.device:
    return next(network.parameters()).device
