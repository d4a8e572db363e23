"""Forged packs with right digests: each deeper check refuses what it is there for."""

from __future__ import annotations

from typing import Any

import pytest

from edgecl_runtime import PackDigestError, PackError, PackFormatError, parse_pack
from tests.runtime.factories import Edit, forge, make_pack, make_tensors, seal, split

RAW = make_pack(tensors=make_tensors(prefix_length=2, rank=2))


def refuse(raw: bytes, message: str) -> None:
    with pytest.raises(PackFormatError, match=message):
        parse_pack(raw, "attack")


def set_entry(name: str, key: str, value: Any) -> Edit:
    return lambda table: table[name].update({key: value})


def test_a_pack_forged_without_a_change_is_the_same_pack() -> None:
    assert forge(RAW) == RAW


@pytest.mark.parametrize(
    "raw", [b"", b"\x00" * 7, b"\x00" * 8, b"\xff" * 8, b"\x08" + b"\x00" * 7 + b"{}      "]
)
def test_a_stump_is_refused(raw: bytes) -> None:
    refuse(raw, "found a header of")


@pytest.mark.parametrize("size", [256_001, 256_008, 33_000_000, 2**63])
def test_a_header_above_256_kb_is_refused_by_its_size(size: int) -> None:
    refuse(size.to_bytes(8, "little") + RAW[8:], "found a header of")


def test_a_header_of_an_odd_size_is_refused() -> None:
    header, data = split(RAW)
    refuse((len(header) - 1).to_bytes(8, "little") + header[:-1] + data, "a multiple of 8")


def test_another_safetensors_file_is_refused() -> None:
    header = b'{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(
        160
    )
    refuse(len(header).to_bytes(8, "little") + header + b"\x00" * 4, "expected the first bytes of a pack")


def test_a_digest_of_capital_letters_is_refused() -> None:
    header, data = split(RAW)
    start = header.index(b'\\":\\"') + 5
    shouted = header[:start] + header[start : start + 64].upper() + header[start + 64 :]
    refuse(len(header).to_bytes(8, "little") + shouted + data, "64 lower-case hex digits")


def test_more_than_4096_tensors_are_refused() -> None:
    entry = {"dtype": "F16", "shape": [0], "data_offsets": [0, 0]}
    refuse(
        forge(RAW, table=lambda table: table.update({f"t{n}": entry for n in range(4_200)})), "at most 4096"
    )


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda table: table.pop("head_bias"), "tensor 'head_bias': found nothing"),
        (lambda table: table.update(optimizer=table["head_bias"]), "tensor 'optimizer': found it"),
        (set_entry("head_bias", "note", 1), "tensor head_bias: found other keys"),
        (set_entry("head_bias", "dtype", "F64"), "tensor head_bias.dtype: found 'F64'"),
        (set_entry("head_bias", "dtype", "F32"), "tensor head_bias: found data_offsets"),
        (set_entry("head_bias", "shape", [-2]), "tensor head_bias.shape: found -2"),
        (set_entry("head_bias", "shape", [2.0]), "tensor head_bias.shape: found 2.0"),
        (set_entry("head_bias", "shape", [True, 2]), "tensor head_bias.shape: found True"),
        (set_entry("head_bias", "shape", [65_537]), "tensor head_bias.shape: found 65537"),
        (set_entry("head_bias", "shape", [1] * 9), "tensor head_bias.shape: found a list of 9"),
        (set_entry("head_bias", "shape", [65_536] * 4), "at most 1099511627776 elements"),
        (set_entry("head_bias", "shape", [65_536, 65_536, 65_536, 0]), "at most 1099511627776 elements"),
        (set_entry("head_bias", "shape", 2), "tensor head_bias.shape: found 2"),
        (set_entry("head_bias", "data_offsets", [0]), "tensor head_bias: found other data_offsets"),
        (set_entry("head_bias", "data_offsets", [0, 4.0]), "tensor head_bias: found other data_offsets"),
        (set_entry("head_bias", "data_offsets", [-4, 0]), "tensor head_bias: found data_offsets -4 to 0"),
        (set_entry("head_bias", "data_offsets", [4, 0]), "tensor head_bias: found data_offsets 4 to 0"),
        (set_entry("head_bias", "data_offsets", [1, 5]), "aligned to 2"),
        (set_entry("head_bias", "data_offsets", [2**63, 2**63 + 4]), "found offset"),
        (
            set_entry("prefix_v", "data_offsets", [0, 64]),
            "tensor probe_features: found offset 0, expected offset 64",
        ),
        (lambda table: table.update(head_bias=None), "tensor head_bias: found other keys"),
        (lambda table: table["__metadata__"].update(format="pt"), "metadata: found other keys"),
    ],
)
def test_a_wrong_table_is_refused(edit: Edit, message: str) -> None:
    refuse(forge(RAW, table=edit), message)


def test_two_tensors_may_not_share_bytes() -> None:
    def overlap(table: dict[str, Any]) -> None:
        table["prefix_v"]["data_offsets"] = table["prefix_k"]["data_offsets"]

    refuse(forge(RAW, table=overlap), "found offset")


def test_bytes_that_belong_to_no_tensor_are_refused() -> None:
    refuse(forge(RAW, data=lambda data: data + b"\x00" * 8), "bytes of tensors")


def test_the_table_of_the_manifest_must_be_that_of_the_header() -> None:
    def swap(said: dict[str, Any]) -> None:
        said["tensors"]["head_bias"] = {"dtype": "F32", "shape": [1]}

    refuse(forge(RAW, manifest=swap), "manifest.tensors: found another table")


def change_both(name: str, shape: list[int], dtype: str = "F16") -> bytes:
    """Return a pack whose header and manifest agree on another shape of as many bytes."""
    edit = set_entry(name, "shape", shape)
    kind = set_entry(name, "dtype", dtype)

    def both(table: dict[str, Any]) -> None:
        edit(table)
        kind(table)

    return forge(RAW, table=both, manifest=lambda said: both(said["tensors"]))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("prefix_k", [2, 4, 2, 2]),
        ("prefix_k", [32]),
        ("prefix_v", [2, 2, 4, 2]),
        ("adapter_down", [2, 2, 8]),
        ("adapter_down", [32]),
        ("adapter_down_bias", [4]),
        ("adapter_up", [2, 8, 2]),
        ("adapter_up_bias", [8, 2]),
        ("head_weight", [1, 16]),
        ("head_bias", [1, 2]),
    ],
)
def test_a_shape_that_does_not_fit_the_others_is_refused(name: str, shape: list[int]) -> None:
    refuse(change_both(name, shape), "found shape")


def test_probe_features_are_float32() -> None:
    refuse(change_both("probe_features", [2, 16], "F16"), "tensor probe_features: found F16, expected F32")


def test_there_is_one_probe_row_per_seed() -> None:
    edited = forge(RAW, manifest=lambda said: said["probe"].update(seeds=[1]))
    refuse(edited, r"tensor probe_features: found shape \[2, 8\], expected shape \[1, 8\]")


def test_there_is_one_label_per_row_of_the_head() -> None:
    refuse(forge(RAW, manifest=lambda said: said["labels"].append("third")), "tensor head_bias: found shape")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (',"task":"again"', "the key 'task' twice"),
        (',"config":{"a":{"b":1,"b":2}}', "the key 'b' twice"),
        (',"odd":' + "[" * 5_000 + "]" * 5_000, "nesting deeper than 32"),
        (',"odd":NaN', "the constant NaN"),
        (',"odd":' + "9" * 5_000, "an integer of 5000 digits"),
        (',"odd":"\\ud800"', "surrogate"),
        (',"odd":[' + "[]," * 20_000 + "[]]", "more than 16384"),
        (',"odd":1', "manifest.odd: found an unknown key"),
        ("}", "no JSON"),
    ],
)
def test_a_manifest_that_is_not_strict_json_is_refused(text: str, message: str) -> None:
    refuse(forge(RAW, manifest_text=lambda said: said[:-1] + text + "}"), message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (',"head_bias":{}', "the key 'head_bias' twice"),
        (',"__metadata__":{}', "the key '__metadata__' twice"),
        (',"t":' + '{"a":' * 5_000 + "1" + "}" * 5_000, "nesting deeper than 32"),
        (',"t":Infinity', "the constant Infinity"),
    ],
)
def test_a_header_that_is_not_strict_json_is_refused(text: str, message: str) -> None:
    refuse(forge(RAW, header_text=lambda header: header[:-1] + text + "}"), message)


def test_a_header_that_is_not_utf8_is_refused() -> None:
    header, data = split(RAW)
    refuse(seal(header.replace(b"healthy", b"health\xff"), data), "not UTF-8")


@pytest.mark.parametrize("value", [b"\x00\x7c", b"\x00\xfc", b"\x01\x7e"])
def test_a_tensor_that_is_not_finite_is_refused(value: bytes) -> None:
    refuse(forge(RAW, data=lambda data: data[:-2] + value), "found NaN or Infinity")


def test_probe_features_that_are_not_finite_are_refused() -> None:
    refuse(
        forge(RAW, data=lambda data: b"\x00\x00\x80\x7f" + data[4:]), "probe_features: found NaN or Infinity"
    )


def test_a_wrong_digest_of_the_tensors_is_refused_in_a_header_with_a_right_one() -> None:
    with pytest.raises(PackDigestError, match="tensors: sha256"):
        parse_pack(forge(RAW, manifest=lambda said: said.update(tensors_sha256="0" * 64)), "attack")


def test_a_message_never_carries_control_characters_of_the_file() -> None:
    attacks = [
        forge(RAW, table=lambda table: table.update({"\x1b[2J": 1})),
        forge(RAW, manifest=lambda said: said.update({"\x1b[2J": 1})),
        forge(RAW, manifest=lambda said: said.update(task="\x1b[2J")),
        forge(RAW, manifest=lambda said: said["tensors"].update({"\x1b": 1})),
        forge(RAW, table=set_entry("head_bias", "dtype", "\x1b[2J")),
    ]
    for raw in attacks:
        with pytest.raises(PackError) as caught:
            parse_pack(raw, "attack")
        assert str(caught.value).isprintable()


def test_the_order_of_checks_puts_the_digest_before_the_content() -> None:
    with pytest.raises(PackDigestError):
        parse_pack(RAW.replace(b"concat", b"conca7"), "attack")
