"""What the scripts that measure repositories share: keys, bundles and packs of random content, a device's memory."""

from __future__ import annotations

import hashlib
import os
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
from securesystemslib.signer import CryptoSigner, Signer

from edgecl_export.repository import Keyring, RoleKeys
from edgecl_runtime import Dimensions, PackManifest, Probe, Provenance, TaskTensors, encode_pack
from edgecl_runtime.bundle import write_bundle
from edgecl_runtime.preprocess import ImagePreprocessing
from edgecl_runtime.store import HighWater
from edgecl_runtime.tensors import expected_shapes

PACKAGES = ("edgecl", "edgecl-runtime", "tuf", "securesystemslib", "cryptography")


class Memory:
    """The high-water record of a device, kept in memory."""

    def __init__(self) -> None:
        self.seen = HighWater()

    def load(self) -> HighWater:
        """Return what was accepted so far."""
        return self.seen

    def raise_to(self, accepted: HighWater) -> HighWater:
        """Remember what was accepted."""
        self.seen = accepted
        return accepted


class FixedClock:
    """A clock that stands where it is put."""

    def __init__(self, now: datetime) -> None:
        self.moment = now

    def now(self) -> datetime:
        """Return that moment."""
        return self.moment


def make_keyring() -> Keyring:
    """Return new keys of all names, open already."""
    signers = {name: CryptoSigner.generate_ed25519() for name in RoleKeys().names()}
    keys = {name: signer.public_key for name, signer in signers.items()}
    return Keyring(keys, {signer.public_key.keyid: partial(_itself, signer) for signer in signers.values()})


def make_bundle(folder: Path, *, number: int, dimensions: Dimensions, graph_bytes: int) -> str:
    """Write a bundle whose graph is random bytes, and return its fingerprint."""
    folder.mkdir(parents=True)
    (folder / "backbone.onnx").write_bytes(os.urandom(graph_bytes))
    preprocessing = ImagePreprocessing(32, "exact", 32, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    return write_bundle(
        folder,
        fingerprint=hashlib.sha256(f"backbone {number}".encode()).hexdigest(),
        backbone=f"random {number}",
        dimensions=dimensions,
        attention="concat",
        pooling="first token",
        preprocessing=preprocessing,
    ).fingerprint


def make_pack(
    folder: Path, *, fingerprint: str, task: str, version: int, dimensions: Dimensions, rank: int = 1
) -> Path:
    """Write a pack of random tensors, and return its path."""
    random = np.random.default_rng(version)
    shapes = expected_shapes(dimensions, prefix_length=rank, rank=rank, classes=2)
    arrays = {name: random.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}
    manifest = PackManifest(
        task=task,
        version=version,
        fingerprint=fingerprint,
        labels=("no", "yes"),
        attention="concat",
        probe=Probe((0,), {"fp32": 1e-3}),
        provenance=Provenance("random", {}, "none", {}),
    )
    probe = np.zeros((1, dimensions.width), np.float32)
    path = folder / f"{task}-{version}.ecpack"
    path.write_bytes(encode_pack(manifest, TaskTensors(**arrays).rounded("F16"), probe))
    return path


def _itself(signer: Signer) -> Signer:
    return signer
