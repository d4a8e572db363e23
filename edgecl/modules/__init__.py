"""What is trained for a task: adapters, prefixes, a head. Shapes are those of the graph and of the pack."""

from edgecl.modules.adapter import Adapter, adapter_inputs
from edgecl.modules.head import FeatureScale, Head
from edgecl.modules.prefix import Prefix, PrefixNet, prefix_inputs

__all__ = ["Adapter", "FeatureScale", "Head", "Prefix", "PrefixNet", "adapter_inputs", "prefix_inputs"]
