"""Checkpoints inside a task: tensors and JSON in one safetensors file, never pickle."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from edgecl.errors import RunError
from edgecl.modules import Head
from edgecl.training.gate import Choice
from edgecl_runtime.durable import write_durably

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor, nn
    from torch.optim import Optimizer

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the training of a task has come.

    Attributes:
        epochs: Finished passes.
        losses: Mean training loss of each finished pass, nats.
        seconds: Wall time spent so far.
        validation: Accuracy on the validation items after each finished pass, percent; empty without such items.
    """

    epochs: int = 0
    losses: tuple[float, ...] = ()
    seconds: float = 0.0
    validation: tuple[float, ...] = ()


class Best:
    """The parameters of the epoch that did best on the validation items; without such items, the last ones."""

    def __init__(self, trained: dict[str, nn.Parameter]) -> None:
        self._trained = trained
        self.tensors: dict[str, Tensor] = {}

    @classmethod
    def start(cls, module: nn.Module) -> Best:
        """Return a keeper of a module's trained parameters that has nothing yet."""
        return cls(_trained(module))

    def keep_if_better(self, validation: Sequence[float]) -> None:
        """Copy the parameters if the last accuracy is above all before it."""
        if validation and (len(validation) == 1 or validation[-1] > max(validation[:-1])):
            self.tensors = {name: parameter.detach().clone() for name, parameter in self._trained.items()}

    def restore(self) -> None:
        """Put the best parameters back."""
        with torch.no_grad():
            for name, tensor in self.tensors.items():
                self._trained[name].copy_(tensor)


def save_checkpoint(
    path: Path,
    *,
    learner: nn.Module,
    optimizer: Optimizer,
    progress: Progress,
    identity: str,
    best: Best | None = None,
    choice: Choice | None = None,
    after: Sequence[str] = (),
) -> None:
    """Write what training goes on from; after a power cut the file is the old one or the new one.

    Args:
        path: File to replace.
        learner: What is trained; of it the trained parameters are stored, and the scales of its heads.
        optimizer: Its optimiser.
        progress: Finished epochs and their losses.
        identity: Text that a resuming run must share: configuration, data and backbone.
        best: Parameters of the best epoch so far.
        choice: What was decided about the start.
        after: Earlier tasks whose training what is trained goes on from.
    """
    stored = _trained(learner) | _scales(learner)
    tensors = {f"learner.{name}": tensor.detach().contiguous() for name, tensor in stored.items()}
    if best is not None:
        tensors |= {f"best.{name}": tensor.contiguous() for name, tensor in best.tensors.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value.contiguous() for name, value in state.items()}
    head = {
        "format_version": FORMAT_VERSION,
        "identity": identity,
        "epochs": progress.epochs,
        "losses": progress.losses,
        "seconds": progress.seconds,
        "validation": progress.validation,
        "choice": msgspec.to_builtins(choice),
        "after": list(after),
    }
    write_durably(path, save(tensors, metadata={"checkpoint": json.dumps(head)}))


def load_checkpoint(
    path: Path,
    *,
    learner: nn.Module,
    optimizer: Optimizer,
    identity: str,
    best: Best | None = None,
    after: Sequence[str] = (),
) -> Progress:
    """Put a checkpoint's state into `learner` and `optimizer` and return the progress; none if there is no file.

    Raises:
        RunError: The file is damaged, belongs to another configuration, data or backbone, or goes on from other
            earlier tasks: going on would undo what those learned that came between.
    """
    if not path.exists():
        return Progress()
    with _reading(path, identity) as (head, tensors):
        _require_same_past(path, head.get("after", list(after)), list(after))  # older ones do not say
        stored = _part(tensors, "learner.")
        _restore(_trained(learner), stored)
        if "choice" in head:  # before, the start was chosen again, and the scales with it
            _restore(_scales(learner), stored)
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": _optimizer_state(tensors, optimizer), "param_groups": groups})
        if best is not None:
            best.tensors = _part(tensors, "best.")
        return Progress(
            epochs=int(head["epochs"]),
            losses=tuple(head["losses"]),
            seconds=float(head["seconds"]),
            validation=tuple(head.get("validation", ())),
        )


def read_choice(path: Path, *, identity: str) -> Choice | None:
    """Return what was decided about the start of a stopped task; None without a file, or if it does not say.

    Raises:
        RunError: The file is damaged, or belongs to another configuration, data or backbone.
    """
    if not path.exists():
        return None
    with _reading(path, identity) as (head, _):
        return msgspec.convert(head.get("choice"), Choice | None)


@contextmanager
def _reading(path: Path, identity: str) -> Iterator[tuple[dict[str, Any], dict[str, Tensor]]]:
    """Give what a checkpoint says about itself, and its tensors.

    Raises:
        RunError: It is damaged, belongs to something else, or what is done with it fails.
    """
    try:
        head, tensors = _read(path)
        if (head["format_version"], head["identity"]) != (FORMAT_VERSION, identity):
            raise RunError(
                f"{path}: the checkpoint belongs to other settings, data or backbone than this command's. "
                "Restore them to continue, or delete the file to begin again"
            )
        yield head, tensors
    except (
        OSError,
        SafetensorError,
        msgspec.MsgspecError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
        IndexError,
    ) as error:
        raise RunError(f"{path}: the checkpoint is damaged ({error}). Delete it to begin again") from error


def _trained(module: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that are trained, each once; what is frozen or shared out is another's to store."""
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


def _scales(module: nn.Module) -> dict[str, Tensor]:
    """Return by what heads centre and scale features: measured again elsewhere, it would not be the same."""
    return {
        f"{path}.{name}".removeprefix("."): scale
        for path, head in module.named_modules()
        if isinstance(head, Head)
        for name, scale in head.named_buffers()
    }


@torch.no_grad()
def _restore(tensors: Mapping[str, Tensor], stored: dict[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if stored[name].shape != tensor.shape:
            raise ValueError(f"{name}: shape {list(stored[name].shape)}, not {list(tensor.shape)}")
        tensor.copy_(stored[name])


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    with safe_open(path, framework="pt") as stored:
        head = json.loads((stored.metadata() or {}).get("checkpoint", "{}"))
        return head, {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a mapping


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _optimizer_state(tensors: dict[str, Tensor], optimizer: Optimizer) -> dict[int, dict[str, Tensor]]:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _part(tensors, "optimizer.").items():
        index, key = name.split(".", maxsplit=1)
        shape = parameters[int(index)].shape
        if tensor.ndim and tensor.shape != shape:  # how many steps there were is a number
            raise ValueError(f"{name}: shape {list(tensor.shape)}, not {list(shape)}")
        state.setdefault(int(index), {})[key] = tensor
    return state


def _require_same_past(path: Path, found: list[str], wanted: list[str]) -> None:
    if found != wanted:
        raise RunError.at(
            path,
            found=f"a task that was begun after {_named(found)}",
            expected=f"one begun after {_named(wanted)}, since it goes on from what these have learned",
            fix="Delete the file to begin the task again.",
        )


def _named(tasks: list[str]) -> str:
    return ", ".join(tasks) if tasks else "none"
