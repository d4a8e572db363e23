"""Ship: the ONNX graph of a backbone, the parity gate, and packs."""

from __future__ import annotations

import os

# The exporter may import onnxruntime before the runtime does, and its telemetry starts with the import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
