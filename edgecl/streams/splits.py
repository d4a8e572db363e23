"""Which items to use: chosen by seed, from labels alone.

The order in which the items of a class are taken comes from SHA-256 over (seed, label, position), so a
selection is the same on every machine and with every version of every library, and a class is drawn without
regard to the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

Positions = tuple[int, ...]


def split_by_class(labels: Sequence[str], *, test_fraction: float, seed: int) -> tuple[Positions, Positions]:
    """Return the positions of training and test items, each ascending.

    Each class gives `test_fraction` of its items (rounded, at least one) to the test part and keeps some.

    Raises:
        ValueError: A class has a single item.
    """
    train: list[int] = []
    test: list[int] = []
    for label, drawn in _drawn_by_class(labels, purpose="split", seed=seed).items():
        if len(drawn) < 2:
            raise ValueError(f"class {label!r} has a single item: it cannot be in both parts")
        cut = min(max(1, int(len(drawn) * test_fraction + 0.5)), len(drawn) - 1)
        test += drawn[:cut]
        train += drawn[cut:]
    return tuple(sorted(train)), tuple(sorted(test))


def balanced_subset(labels: Sequence[str], *, count: int, seed: int) -> Positions:
    """Return the ascending positions of `count` items (or of all), as even over the classes as these allow.

    With the same seed a larger subset contains the smaller one.
    """
    drawn = _drawn_by_class(labels, purpose="train", seed=seed)
    return _take(drawn, _even_quotas({label: len(items) for label, items in drawn.items()}, count))


def few_of_each_class(labels: Sequence[str], *, count: int, seed: int) -> Positions:
    """Return the ascending positions of `count` items of each class, or of all that a smaller class has.

    With the same seed a larger subset contains the smaller one; where every class has `count` items or more, it is
    the balanced subset of as many in all.
    """
    drawn = _drawn_by_class(labels, purpose="train", seed=seed)
    return _take(drawn, dict.fromkeys(drawn, count))


def proportional_subset(labels: Sequence[str], *, count: int, seed: int) -> Positions:
    """Return the ascending positions of `count` items (or of all), in the proportions of the classes.

    Each class keeps at least one item.

    Raises:
        ValueError: `count` is smaller than the number of classes.
    """
    drawn = _drawn_by_class(labels, purpose="test", seed=seed)
    if count < len(drawn):
        raise ValueError(f"{count} items for {len(drawn)} classes")
    return _take(drawn, _proportional_quotas({label: len(items) for label, items in drawn.items()}, count))


def _drawn_by_class(labels: Sequence[str], *, purpose: str, seed: int) -> dict[str, list[int]]:
    """Return the positions of each class in the order in which they are drawn; classes sorted."""
    by_class: dict[str, list[int]] = {label: [] for label in sorted(set(labels))}
    for position, label in enumerate(labels):
        by_class[label].append(position)
    return {label: _drawn(positions, f"{purpose}\0{seed}\0{label}") for label, positions in by_class.items()}


def _drawn(positions: list[int], key: str) -> list[int]:
    start = hashlib.sha256(key.encode())

    def ticket(rank: int) -> bytes:
        digest = start.copy()
        digest.update(b"\0%d" % rank)
        return digest.digest()

    return [positions[rank] for rank in sorted(range(len(positions)), key=ticket)]


def _take(drawn: dict[str, list[int]], quotas: dict[str, int]) -> Positions:
    return tuple(sorted(i for label, items in drawn.items() for i in items[: quotas[label]]))


def _even_quotas(sizes: dict[str, int], count: int) -> dict[str, int]:
    """Fill all classes to one level; what small classes cannot give goes to the others, in their order."""
    quotas = dict.fromkeys(sizes, 0)
    left = min(count, sum(sizes.values()))
    while left:
        roomy = [label for label in sizes if quotas[label] < sizes[label]]
        room = min(sizes[label] - quotas[label] for label in roomy)
        step = max(1, min(left // len(roomy), room))
        for label in roomy[:left]:
            quotas[label] += step
            left -= step
    return quotas


def _proportional_quotas(sizes: dict[str, int], count: int) -> dict[str, int]:
    """One item for each class, the rest by largest remainder in exact integers."""
    total, classes = sum(sizes.values()), len(sizes)
    count = min(count, total)
    spare = {label: size - 1 for label, size in sizes.items()}
    to_share, room = count - classes, max(1, total - classes)
    quotas = {label: 1 + to_share * spare[label] // room for label in sizes}
    by_remainder = sorted(sizes, key=lambda label: -(to_share * spare[label] % room))
    for label in by_remainder[: count - sum(quotas.values())]:
        quotas[label] += 1
    return quotas
