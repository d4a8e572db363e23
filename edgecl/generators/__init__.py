"""Hypernetworks that generate prefixes or adapters of every task from an embedding of the task."""

from edgecl.generators.drift import DriftForm, choose_tasks, drift
from edgecl.generators.growing import GrowingGenerator
from edgecl.generators.guidance import (
    decoder_loss,
    distance_loss,
    fresh_decoder,
    guidance_weight,
    paper_loss,
    shared_decoder,
)
from edgecl.generators.interval import BoundedRows, IntervalConfig, IntervalGenerator
from edgecl.generators.layout import (
    AdapterTensors,
    Layout,
    RowPlan,
    adapter_from_rows,
    adapter_plan,
    prefix_from_rows,
    prefix_plan,
    rows_from_adapter,
    rows_from_prefix,
)
from edgecl.generators.lookahead import adam_step, ahead
from edgecl.generators.network import Network
from edgecl.generators.recurrent import RecurrentConfig, RecurrentGenerator
from edgecl.generators.rowwise import RowwiseConfig, RowwiseGenerator

__all__ = [
    "AdapterTensors",
    "BoundedRows",
    "DriftForm",
    "GrowingGenerator",
    "IntervalConfig",
    "IntervalGenerator",
    "Layout",
    "Network",
    "RecurrentConfig",
    "RecurrentGenerator",
    "RowPlan",
    "RowwiseConfig",
    "RowwiseGenerator",
    "adam_step",
    "adapter_from_rows",
    "adapter_plan",
    "ahead",
    "choose_tasks",
    "decoder_loss",
    "distance_loss",
    "drift",
    "fresh_decoder",
    "guidance_weight",
    "paper_loss",
    "prefix_from_rows",
    "prefix_plan",
    "rows_from_adapter",
    "rows_from_prefix",
    "shared_decoder",
]
