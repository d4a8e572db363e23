"""The seam between how a task is learned and everything after: `materialize` gives plain tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn
    from torch.optim import AdamW

    from edgecl.backbones.injection import InjectedBackbone
    from edgecl.modules import FeatureScale, Head
    from edgecl_runtime.tensors import TaskTensors


@dataclass(frozen=True, slots=True)
class Relations:
    """How far a new task is from earlier ones.

    Attributes:
        distances: Measured distance to each, positive; 1 is usual.
        reliable: Whether the differences are more than noise.
    """

    distances: Mapping[str, float]
    reliable: bool


@dataclass(frozen=True, slots=True)
class NewTask:
    """What a method is told of a task that it shall learn.

    Attributes:
        name: The task.
        backbone: Frozen encoder that it is learned on.
        classes: How many the head tells apart.
        scale: Of the bare backbone's features on the task's training items.
        generator: Where every random start comes from.
        seed: Of draws during training.
        parent: Name of an earlier task, and the tensors that the new one starts with: its own, or an average of its
            and earlier ones; None: the identity.
        relations: To earlier tasks, where they guide it.
        known: How many earlier tasks there are.
        steps: How many steps it is trained for.
    """

    name: str
    backbone: InjectedBackbone
    classes: int
    scale: FeatureScale
    generator: Generator
    seed: int = 0
    parent: tuple[str, TaskTensors] | None = None
    relations: Relations | None = None
    known: int = 0
    steps: int = 1


class EarlierTasks(Protocol):
    """What was learned before, as it was stored."""

    @property
    def names(self) -> Sequence[str]:
        """The finished tasks in the order of training."""
        ...

    def tensors(self, name: str) -> TaskTensors:
        """Return what a task learned, float32."""
        ...


class TaskLearner(Protocol):
    """What is trained while one task is learned: a module with a head."""

    head: Head

    def features(
        self, backbone: InjectedBackbone, inputs: Mapping[str, Tensor], *, step: int | None = None
    ) -> Tensor:
        """Return pooled features [B, D] under the task, differentiable.

        Args:
            backbone: Frozen encoder.
            inputs: Model inputs.
            step: Of training, for a learner that trains at random points; None for the task as it would ship.
        """
        ...

    def module_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the trained parameters that are not the head's."""
        ...

    def undecayed_parameters(self) -> Iterator[nn.Parameter]:
        """Yield those of them that weight decay leaves alone."""
        ...

    def penalty(self, optimizer: AdamW, step: int) -> Tensor | None:
        """Return what is added to the loss at a step, after the gradient of the task is known; None for nothing."""
        ...

    def materialize(self) -> TaskTensors | None:
        """Return the task as plain float32 arrays; None for a peer, which is measured and never shipped.

        Nothing downstream knows how they were made.
        """
        ...


class Method(Protocol):
    """A way to learn one task after another on a frozen backbone.

    Attributes:
        ships: Whether its tasks become packs.
    """

    ships: ClassVar[bool]

    def begin_task(self, task: NewTask) -> TaskLearner:
        """Return a learner for a new task."""
        ...

    def end_task(self, name: str, learner: TaskLearner) -> None:
        """Take over what later tasks build on."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return what later tasks build on, to be stored; empty if every task is on its own."""
        ...

    def load_state(self, state: Mapping[str, Tensor], earlier: EarlierTasks) -> None:
        """Go on from a stored state.

        Raises:
            KeyError, RuntimeError: The state is not one of this method and these sizes.
        """
        ...

    def current(self, name: str, shipped: TaskTensors) -> TaskTensors:
        """Return what the method would ship for a finished task now; `shipped` is what it did ship, float32."""
        ...
