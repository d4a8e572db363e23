"""The networks that a method can generate with, under one name."""

from __future__ import annotations

from edgecl.generators.growing import GrowingGenerator
from edgecl.generators.interval import IntervalGenerator
from edgecl.generators.recurrent import RecurrentGenerator
from edgecl.generators.rowwise import RowwiseGenerator

Network = RowwiseGenerator | RecurrentGenerator | GrowingGenerator | IntervalGenerator
"""A module that turns one embedding [*E] per task into the rows [L, rows, D] of all blocks.

It is shared by all tasks; an embedding belongs to one task and is trained only while its task is. `new_embedding`
draws one, and `encode` says what the network sees of it. `forward` makes what ships, `explore` what a step of training
sees, and `begin_task` freezes what is trained in the first task only.
"""
