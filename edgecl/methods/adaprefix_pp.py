"""AdaPrefix++: one hypernetwork generates the prefixes of all tasks and is kept from forgetting those it made."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from edgecl.errors import ConfigError
from edgecl.generators.guidance import FIRST_GUIDED
from edgecl.methods.adaprefix import fresh_prefix, head_arrays, module_arrays
from edgecl.methods.base import EarlierTasks, NewTask, TaskLearner
from edgecl.methods.hypernetwork import Hypernetwork
from edgecl.methods.networks import build_network
from edgecl.methods.rows import AdapterTarget, PrefixTarget, RowTarget
from edgecl.modules import Adapter, Head, Prefix, PrefixNet
from edgecl_runtime.tensors import TaskTensors

if TYPE_CHECKING:
    from torch.optim import AdamW

    from edgecl.backbones.injection import InjectedBackbone
    from edgecl.config import RunConfig
    from edgecl.methods.guide import EmbeddingGuide
    from edgecl_runtime.manifest import Dimensions


class GeneratedTask(nn.Module):
    """An embedding of which the shared network generates one kind of module, and a module of the other kind.

    As published the prefixes are generated and the adapters are the task's own.
    """

    def __init__(
        self,
        hypernetwork: Hypernetwork,
        embedding: Tensor,
        own: Adapter | Prefix | PrefixNet,
        head: Head,
        *,
        seed: int,
        guide: EmbeddingGuide | None = None,
    ) -> None:
        super().__init__()
        self.network, self.own, self.head = hypernetwork.network, own, head
        self.embedding = nn.Parameter(embedding)
        self.decoder = hypernetwork.decoder
        self._hypernetwork, self._seed, self._guide = hypernetwork, seed, guide

    def graph_inputs(self, *, step: int | None = None) -> dict[str, Tensor]:
        """Return the seven graph inputs with G = 1, differentiable; at a step of training as that step sees them."""
        if step is None:
            rows = self._hypernetwork.generate(self.embedding)
        else:
            random = torch.Generator().manual_seed(_draw_seed(self._seed, step))
            rows = self._hypernetwork.explore(self.embedding, random)
        return self._hypernetwork.target.graph_inputs(rows) | self.own.graph_inputs()

    def features(
        self, backbone: InjectedBackbone, inputs: Mapping[str, Tensor], *, step: int | None = None
    ) -> Tensor:
        """Return pooled features [B, D] under the task, differentiable."""
        return backbone(inputs, self.graph_inputs(step=step))  # type: ignore[no-any-return]  # as of every module's call

    def module_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of the task's own module, its embedding and the shared network."""
        yield from self.own.parameters()
        yield from self.undecayed_parameters()

    def undecayed_parameters(self) -> Iterator[nn.Parameter]:
        """Yield what modules are generated from: decay would change what is generated for other tasks."""
        yield self.embedding
        yield from self.network.parameters()
        if self.decoder is not None and self._guide is not None:
            yield from self.decoder.parameters()

    def penalty(self, optimizer: AdamW, step: int) -> Tensor | None:
        """Return the weighted drift of what is generated for earlier tasks, where the next step would lead.

        Where the task is guided, the weighted guidance of its embedding is added.
        """
        drift = self._hypernetwork.penalty(optimizer, np.random.default_rng([self._seed, step, 2]))
        guidance = None if self._guide is None else self._guide.loss(self.embedding, step)
        if drift is None or guidance is None:
            return drift if guidance is None else guidance
        return drift + guidance

    @torch.no_grad()
    def materialize(self) -> TaskTensors:
        """Return the task as plain float32 arrays: what is generated now, and what is its own."""
        return TaskTensors(**module_arrays(self.graph_inputs()), **head_arrays(self.head))


class AdaPrefixPP:
    """Learns every task with the help of a network that has seen the tasks before it.

    What was shipped stays as it is; the drift loss keeps what would be generated for an earlier task now close to it.
    """

    ships: ClassVar[bool] = True

    def __init__(self, config: RunConfig, dimensions: Dimensions) -> None:
        _check_candidates(config)
        self._config, self._dimensions = config, dimensions
        random = torch.Generator().manual_seed(config.seed)
        target = self._target()
        network = build_network(config.generator, dimensions, target.plan, random=random)
        self._hypernetwork = Hypernetwork(network, target, config.generator, seed=config.seed)

    def begin_task(self, task: NewTask) -> GeneratedTask:
        """Return a task with a fresh embedding and module, or with those of its parent."""
        network = self._hypernetwork.network
        network.begin_task(len(self._hypernetwork.names))
        embedding, own = network.new_embedding(task.generator), self._own(task.generator)
        if task.parent is not None:
            name, tensors = task.parent
            embedding = self._hypernetwork.embedding(name).clone()
            if not isinstance(own, PrefixNet):  # nets start afresh: `build_method` refuses any other start
                own.load(tensors)
        guide = self._hypernetwork.guide(task)
        if guide is not None and task.parent is None:
            embedding = torch.from_numpy(guide.placement.embedding).float()
        head = Head(task.scale, classes=task.classes)
        return GeneratedTask(self._hypernetwork, embedding, own, head, seed=task.seed, guide=guide)

    def end_task(self, name: str, learner: TaskLearner) -> None:
        """Remember the task's embedding and what is generated of it."""
        if not isinstance(learner, GeneratedTask):
            raise TypeError(f"{type(learner).__name__} is not a task of this method")
        self._hypernetwork.remember(name, learner.embedding)

    def state(self) -> dict[str, Tensor]:
        """Return the shared network and the embeddings of all tasks."""
        return self._hypernetwork.state()

    def load_state(self, state: Mapping[str, Tensor], earlier: EarlierTasks) -> None:
        """Go on with a stored network."""
        self._hypernetwork.load_state(state, earlier)

    @torch.no_grad()
    def current(self, name: str, shipped: TaskTensors) -> TaskTensors:
        """Return the task with what would be generated for it now."""
        rows = self._hypernetwork.generate(self._hypernetwork.embedding(name))
        return dataclasses.replace(shipped, **module_arrays(self._hypernetwork.target.graph_inputs(rows)))

    def _target(self) -> RowTarget:
        method, generator = self._config.method, self._config.generator
        if generator.generates == "adapter":
            return AdapterTarget(self._dimensions, rank=method.rank)
        return PrefixTarget(
            self._dimensions,
            length=method.prefix_length or 0,
            layout=generator.layout,
            attention=method.attention,
        )

    def _own(self, random: torch.Generator) -> Adapter | Prefix | PrefixNet:
        """Return a fresh module of the kind that is not generated."""
        method = self._config.method
        if self._config.generator.generates == "adapter":
            return fresh_prefix(method, self._dimensions, random)
        return Adapter(self._dimensions, rank=method.rank, generator=random)


def _check_candidates(config: RunConfig) -> None:
    if config.generator.guidance != "none" and config.transfer.candidates < FIRST_GUIDED:
        raise ConfigError.at(
            "transfer.candidates",
            found=f"{config.transfer.candidates} beside generator.guidance={config.generator.guidance}",
            expected=f"{FIRST_GUIDED} or more: a single task has no rank, and guides nothing",
            fix="Raise transfer.candidates, or set generator.guidance=none.",
        )


def _draw_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0])
