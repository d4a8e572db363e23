"""Run the tasks of an edgecl backbone on a device.

Importing this package imports numpy and nothing else that is large: onnxruntime, Pillow, tokenizers and
safetensors are imported by the calls that need them.
"""

from __future__ import annotations

__version__ = "0.1.0"

from edgecl_runtime.bundle import Bundle, BundleFile, read_bundle, write_bundle
from edgecl_runtime.counters import Percentiles
from edgecl_runtime.errors import (
    BundleDigestError,
    BundleError,
    BundleFormatError,
    BundleTooNewError,
    ClockError,
    CounterError,
    EdgeclRuntimeError,
    FieldError,
    FreezeError,
    IncompatibleError,
    InputError,
    IntegrityError,
    MissingExtraError,
    PackConflictError,
    PackDigestError,
    PackError,
    PackFormatError,
    PackMismatchError,
    PackTooNewError,
    ProbeMismatchError,
    ProviderError,
    QuotaError,
    ReleaseError,
    RollbackError,
    StateLostError,
    StoreError,
    SwitchingError,
    TamperError,
    TensorRtError,
    TransferError,
    UnknownTaskError,
    UpdateBusyError,
    UpdateError,
    UpdateProbeError,
)
from edgecl_runtime.manifest import Dimensions, Head, PackManifest, Probe, Provenance, TensorEntry
from edgecl_runtime.pack import TaskPack, encode_pack, parse_pack, read_pack, write_pack
from edgecl_runtime.prediction import MixedPrediction, Prediction
from edgecl_runtime.preprocess import (
    ImagePreprocessing,
    Preprocessor,
    TextPreprocessing,
    build_preprocessor,
    parse_preprocessing,
)
from edgecl_runtime.probe import probe_inputs
from edgecl_runtime.profile import InstallLine, Profile
from edgecl_runtime.runtime import Runtime
from edgecl_runtime.status import RuntimeStatus
from edgecl_runtime.tensors import TaskTensors

__all__ = [
    "Bundle",
    "BundleDigestError",
    "BundleError",
    "BundleFile",
    "BundleFormatError",
    "BundleTooNewError",
    "ClockError",
    "CounterError",
    "Dimensions",
    "EdgeclRuntimeError",
    "FieldError",
    "FreezeError",
    "Head",
    "ImagePreprocessing",
    "IncompatibleError",
    "InputError",
    "InstallLine",
    "IntegrityError",
    "MissingExtraError",
    "MixedPrediction",
    "PackConflictError",
    "PackDigestError",
    "PackError",
    "PackFormatError",
    "PackManifest",
    "PackMismatchError",
    "PackTooNewError",
    "Percentiles",
    "Prediction",
    "Preprocessor",
    "Probe",
    "ProbeMismatchError",
    "Profile",
    "Provenance",
    "ProviderError",
    "QuotaError",
    "ReleaseError",
    "RollbackError",
    "Runtime",
    "RuntimeStatus",
    "StateLostError",
    "StoreError",
    "SwitchingError",
    "TamperError",
    "TaskPack",
    "TaskTensors",
    "TensorEntry",
    "TensorRtError",
    "TextPreprocessing",
    "TransferError",
    "UnknownTaskError",
    "UpdateBusyError",
    "UpdateError",
    "UpdateProbeError",
    "build_preprocessor",
    "encode_pack",
    "parse_pack",
    "parse_preprocessing",
    "probe_inputs",
    "read_bundle",
    "read_pack",
    "write_bundle",
    "write_pack",
]
