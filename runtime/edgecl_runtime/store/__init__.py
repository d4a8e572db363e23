"""The store of a device: contents that are whole or not there, and a state that is the old one or the new one."""

from edgecl_runtime.store.files import DiskFiles, Entry, Files
from edgecl_runtime.store.high_water import HighWater, HighWaterRecord
from edgecl_runtime.store.journal import Journal
from edgecl_runtime.store.reader import StoreReader
from edgecl_runtime.store.records import Blob, BundleRecord, Committed, PackRecord, Selection, Trial
from edgecl_runtime.store.state import State
from edgecl_runtime.store.store import QUOTA_BYTES, Store

__all__ = [
    "QUOTA_BYTES",
    "Blob",
    "BundleRecord",
    "Committed",
    "DiskFiles",
    "Entry",
    "Files",
    "HighWater",
    "HighWaterRecord",
    "Journal",
    "PackRecord",
    "Selection",
    "State",
    "Store",
    "StoreReader",
    "Trial",
]
