"""A disk in memory that loses power, and every state that it may be found in afterwards.

What is assumed of a disk, harsher than ext4 and f2fs are:

* Every call may be the last one.
* A write that was not synced is absent, torn, there as zeros of the right length, or whole.
* Of the changes to a folder that were not synced, any subset happened, whatever their order. A name that moves to
  another folder may be found in both, or in neither.
"""

from __future__ import annotations

import copy
import errno
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edgecl_runtime.errors import UpdateBusyError
from edgecl_runtime.store import Entry

ROOT = 0
CHANGES = frozenset({"append", "sync", "rename", "link", "protect", "remove", "make_folder"})
MAX_STATES_OF_A_MOMENT = 100_000

Image = tuple[tuple[str, int, bytes | None], ...]
"""All names on a disk: path, which file it is (equal numbers are one file), content (None: a folder)."""


@dataclass(frozen=True, slots=True)
class CrashState:
    """What may be on the disk after a power cut, and whether the operation had returned before."""

    image: Image
    finished: bool


@dataclass(slots=True)
class Disk:
    """Folders by number, each a dictionary from name to number, and the content of each file by number."""

    folders: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})
    contents: dict[int, bytes] = field(default_factory=dict)

    def image(self) -> Image:
        """Return all that can be reached, in one form for equal disks."""
        numbers: dict[int, int] = {}
        found = []
        for path, node in sorted(self._walk(ROOT, "")):
            number = numbers.setdefault(node, len(numbers))
            found.append((path, number, self.contents[node] if node not in self.folders else None))
        return tuple(found)

    def _walk(self, folder: int, path: str) -> Iterator[tuple[str, int]]:
        for name, node in self.folders[folder].items():
            yield f"{path}/{name}", node
            if node in self.folders:
                yield from self._walk(node, f"{path}/{name}")


@dataclass(frozen=True, slots=True)
class _Change:
    """One change of a folder: names and what they stand for from then on (None: gone)."""

    folder: int
    names: tuple[tuple[str, int | None], ...]

    def apply(self, disk: Disk) -> None:
        for name, node in self.names:
            if node is None:
                disk.folders[self.folder].pop(name, None)
            else:
                disk.folders[self.folder][name] = node


class MemoryFiles:
    """The disk as running processes see it, and what of it is already safe; paths begin with a slash."""

    def __init__(self, image: Image = (), *, free_bytes: int = 1 << 40) -> None:
        self.now = Disk()
        self.stable = Disk()
        self.before_each: Callable[[str], None] = lambda call: None
        self.calls: list[str] = []
        self._pending: list[_Change] = []
        self._next = 1
        self._free_bytes = free_bytes
        self._locked: set[Path] = set()
        self._load(image)

    def append(self, path: Path, content: bytes) -> None:
        self._begin("append", path)
        folder, name = self._place(path)
        if name not in self.now.folders[folder]:
            self._add(folder, name, self._new_file())
        node = self.now.folders[folder][name]
        self.now.contents[node] += content

    def read(self, path: Path) -> Iterator[bytes]:
        self._begin("read", path)
        yield self.now.contents[self._node(path)]

    def sync(self, path: Path) -> None:
        self._begin("sync", path)
        node = self._node(path)
        if node in self.now.folders:
            for change in [change for change in self._pending if change.folder == node]:
                change.apply(self.stable)
                self._pending.remove(change)
        else:
            self.stable.contents[node] = self.now.contents[node]

    def rename(self, source: Path, target: Path) -> None:
        self._begin("rename", target)
        (old_folder, old_name), (folder, name) = self._place(source), self._place(target)
        node = self._node(source)
        replaced = self.now.folders[folder].get(name)
        if replaced is not None and self.now.folders.get(replaced):
            raise OSError(errno.ENOTEMPTY, "Directory not empty", str(target))
        if replaced == node:  # two names of one file: rename(2) does nothing
            return
        if folder == old_folder:
            self._change(_Change(folder, ((old_name, None), (name, node))))
        else:
            self._change(_Change(folder, ((name, node),)))
            self._change(_Change(old_folder, ((old_name, None),)))

    def link(self, source: Path, target: Path) -> None:
        self._begin("link", target)
        folder, name = self._place(target)
        if name in self.now.folders[folder]:
            raise FileExistsError(errno.EEXIST, "File exists", str(target))
        self._add(folder, name, self._node(source))

    def protect(self, path: Path) -> None:
        self._begin("protect", path)
        self._node(path)

    def remove(self, path: Path) -> None:
        self._begin("remove", path)
        if self.now.folders.get(self._node(path)):
            raise OSError(errno.ENOTEMPTY, "Directory not empty", str(path))
        folder, name = self._place(path)
        self._change(_Change(folder, ((name, None),)))

    def make_folder(self, path: Path) -> None:
        self._begin("make_folder", path)
        folder, name = self._place(path)
        if name in self.now.folders[folder]:
            raise FileExistsError(errno.EEXIST, "File exists", str(path))
        node = self._number()
        self.now.folders[node], self.stable.folders[node] = {}, {}
        self._add(folder, name, node)

    def entries(self, folder: Path) -> dict[str, Entry]:
        self._begin("entries", folder)
        found = self.now.folders[self._node(folder)]
        return {
            name: Entry(len(self.now.contents.get(node, b"")), node, node in self.now.folders)
            for name, node in found.items()
        }

    def free_bytes(self, folder: Path) -> int:
        self._begin("free_bytes", folder)
        return self._free_bytes

    def lock(self, path: Path) -> MemoryLock:
        self._begin("lock", path)
        if path in self._locked:
            raise UpdateBusyError(str(path), found="another updater at work", expected="one at a time")
        self._locked.add(path)
        return MemoryLock(self._locked, path)

    def killed(self) -> MemoryFiles:
        """Return the disk as the next process finds it: all that this one did is seen, and only what it synced safe."""
        left = copy.copy(self)
        left.now, left.stable = copy.deepcopy(self.now), copy.deepcopy(self.stable)
        left._pending, left._locked, left.calls = list(self._pending), set(), []
        left.before_each = lambda call: None
        return left

    def images(self) -> Iterator[Image]:
        """Yield every state in which the disk may be found if power goes now; some come more than once."""
        dirty = [node for node, content in self.now.contents.items() if content != self.stable.contents[node]]
        contents = [self._versions(node) for node in dirty]
        outcomes = [self._outcomes(changes) for changes in self._independent_changes()]
        count = math.prod(map(len, outcomes)) * math.prod(map(len, contents))
        assert count <= MAX_STATES_OF_A_MOMENT, (
            f"{count} states of one moment: sync more, or test less at once"
        )
        for happened in itertools.product(*outcomes):
            disk = Disk({node: dict(entries) for node, entries in self.stable.folders.items()})
            for change in itertools.chain.from_iterable(happened):
                change.apply(disk)
            for version in itertools.product(*contents):
                disk.contents = {**self.stable.contents, **dict(zip(dirty, version, strict=True))}
                yield disk.image()

    def _independent_changes(self) -> list[list[_Change]]:
        """Return the changes that are not safe, those that touch a name in common together."""
        groups: list[tuple[set[tuple[int, str]], list[_Change]]] = []
        for change in self._pending:
            names = {(change.folder, name) for name, _ in change.names}
            touched = [group for group in groups if group[0] & names]
            groups = [group for group in groups if not group[0] & names]
            groups.append(
                (
                    names.union(*(group[0] for group in touched)),
                    [*itertools.chain.from_iterable(group[1] for group in touched), change],
                )
            )
        return [changes for _, changes in groups]

    @staticmethod
    def _outcomes(changes: list[_Change]) -> list[tuple[_Change, ...]]:
        """Return subsets of some changes, one for each of the different things that may come of them."""
        found: dict[frozenset[tuple[str, int | None]], tuple[_Change, ...]] = {}
        for happened in itertools.product((False, True), repeat=len(changes)):
            chosen = tuple(itertools.compress(changes, happened))
            names: dict[str, int | None] = {}
            for change in chosen:
                names.update(change.names)
            found.setdefault(frozenset(names.items()), chosen)
        return list(found.values())

    def _versions(self, node: int) -> list[bytes]:
        old, new = self.stable.contents[node], self.now.contents[node]
        kept = old if new.startswith(old) else b""
        half = new[: (len(kept) + len(new)) // 2]
        zeros = kept + bytes(len(new) - len(kept))
        return list(dict.fromkeys((old, half, new[:-1], zeros, new)))

    def _begin(self, call: str, path: Path) -> None:
        self.before_each(call)
        self.calls.append(f"{call} {path.name}")

    def _load(self, image: Image) -> None:
        nodes: dict[int, int] = {}
        for path, number, content in image:
            known = number in nodes
            node = nodes.setdefault(number, self._number() if not known else 0)
            for disk in (self.now, self.stable):
                if content is None:
                    disk.folders[node] = {}
                else:
                    disk.contents[node] = content
            folder, name = self._place(Path(path))
            self.now.folders[folder][name] = self.stable.folders[folder][name] = node

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _new_file(self) -> int:
        node = self._number()
        self.now.contents[node] = self.stable.contents[node] = b""
        return node

    def _add(self, folder: int, name: str, node: int) -> None:
        self._change(_Change(folder, ((name, node),)))

    def _change(self, change: _Change) -> None:
        change.apply(self.now)
        self._pending.append(change)

    def _place(self, path: Path) -> tuple[int, str]:
        return self._node(path.parent), path.name

    def _node(self, path: Path) -> int:
        node = ROOT
        for name in path.parts[1:]:
            found = self.now.folders[node].get(name) if node in self.now.folders else None
            if found is None:
                raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))
            node = found
        return node


class MemoryLock:
    """A lock that is held until it is released."""

    def __init__(self, locked: set[Path], path: Path) -> None:
        self._locked, self._path = locked, path

    def release(self) -> None:
        self._locked.discard(self._path)


def crash_states(disk: MemoryFiles, operation: Callable[[MemoryFiles], object]) -> list[CrashState]:
    """Return every different state in which a power cut during the operation, or right after it, may leave a disk."""
    found: dict[CrashState, None] = {}

    def look(call: str) -> None:
        if call in CHANGES:
            found.update((CrashState(image, finished=False), None) for image in disk.images())

    disk.before_each = look
    operation(disk)
    disk.before_each = lambda call: None
    found.update((CrashState(image, finished=True), None) for image in disk.images())
    return list(found)


def killed_disks(disk: MemoryFiles, operation: Callable[[MemoryFiles], object]) -> list[MemoryFiles]:
    """Return the disk as it is left when the operation is killed before each of its calls, and after the last one."""
    left: list[MemoryFiles] = []

    def look(call: str) -> None:
        if call in CHANGES:
            left.append(disk.killed())

    disk.before_each = look
    operation(disk)
    disk.before_each = lambda call: None
    return [*left, disk.killed()]
