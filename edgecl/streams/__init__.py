"""Labelled data: from folders, tables and arrays to the tasks of a stream."""

from __future__ import annotations

from edgecl.streams.checking import PreparedTask, Progress, check_items
from edgecl.streams.dataset import Split, TaskData, load_task
from edgecl.streams.examples import Image, Item
from edgecl.streams.stream import StreamSpec, TaskSpec, parse_task_option, read_stream

__all__ = [
    "Image",
    "Item",
    "PreparedTask",
    "Progress",
    "Split",
    "StreamSpec",
    "TaskData",
    "TaskSpec",
    "check_items",
    "load_task",
    "parse_task_option",
    "read_stream",
]
