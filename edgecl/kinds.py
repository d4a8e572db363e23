"""Kinds of things that several parts tell apart, by name. Imports no library, so that settings are read without one."""

from __future__ import annotations

from typing import Literal

Modality = Literal["image", "text"]
"""What a backbone reads."""

Pooling = Literal["cls", "mean"]
"""How the tokens of a backbone become one feature."""

AttentionVariant = Literal["concat", "additive"]
"""How prefixes act: before the keys and values of a block, or by an attention of their own that is added."""
