from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from edgecl_runtime import ImagePreprocessing, InputError, MissingExtraError, build_preprocessor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
EXACT = ImagePreprocessing(16, "exact", 16, "bilinear", MEAN, STD)
CENTRE = ImagePreprocessing(16, "shortest_edge", 20, "bicubic", MEAN, STD)


def prepare(item: object, spec: ImagePreprocessing = EXACT) -> np.ndarray:
    return build_preprocessor(spec, folder=".").prepare([item])[0]


def make_image(height: int = 24, width: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_an_image_is_resized_as_pillow_does() -> None:
    expected = Image.fromarray(make_image()).resize((16, 16), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(prepare(make_image()), np.asarray(expected))


@pytest.mark.parametrize("name", ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"])
def test_every_filter_of_pillow_can_be_named(name: str) -> None:
    expected = Image.fromarray(make_image()).resize((16, 16), Image.Resampling[name.upper()])
    np.testing.assert_array_equal(
        prepare(make_image(), replace(EXACT, interpolation=name)), np.asarray(expected)
    )


@pytest.mark.parametrize(("height", "width"), [(40, 60), (60, 40), (33, 33), (17, 99), (8, 9), (1, 5)])
def test_the_shorter_edge_is_resized_and_the_centre_cut(height: int, width: int) -> None:
    pixels = make_image(height, width)
    across = (int(20 * width / min(height, width)), int(20 * height / min(height, width)))
    left, top = ((edge - 16) // 2 for edge in across)
    whole = Image.fromarray(pixels).resize(across, Image.Resampling.BICUBIC)
    expected = np.asarray(whole.crop((left, top, left + 16, top + 16)), np.int16)
    assert np.abs(prepare(pixels, CENTRE).astype(np.int16) - expected).max() <= 1


def test_a_very_long_image_costs_no_memory() -> None:
    assert prepare(make_image(1, 60_000), CENTRE).shape == (16, 16, 3)


def test_path_image_and_array_give_the_same_pixels(tmp_path: Path) -> None:
    image = Image.fromarray(make_image())
    image.save(tmp_path / "a.png")
    items = [tmp_path / "a.png", str(tmp_path / "a.png"), image, make_image()]
    first, *others = build_preprocessor(EXACT, folder=".").prepare(items)
    assert all((other == first).all() for other in others)


def test_an_array_of_the_right_size_is_taken_as_it_is() -> None:
    pixels = make_image(16, 16)
    assert prepare(pixels, CENTRE) is pixels


def test_an_array_of_the_right_size_needs_no_pillow() -> None:
    code = (
        "import sys; sys.modules['PIL'] = None\n"
        "import numpy as np\n"
        "from edgecl_runtime import ImagePreprocessing, build_preprocessor\n"
        "spec = ImagePreprocessing(4, 'exact', 4, 'bilinear', (0.5,) * 3, (0.5,) * 3)\n"
        "both = [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)]\n"
        "ready = build_preprocessor(spec, folder='.')\n"
        "print(ready.batch(ready.prepare(both))['pixel_values'].shape)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(2, 3, 4, 4)"


def test_a_missing_pillow_names_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingExtraError, match=r'pip install "edgecl-runtime\[image\]"'):
        prepare(make_image())


def test_a_file_is_turned_upright(tmp_path: Path) -> None:
    image = Image.fromarray(make_image())
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.png", exif=exif)
    upright = ImageOps.exif_transpose(Image.open(tmp_path / "a.png")).resize(
        (16, 16), Image.Resampling.BILINEAR
    )
    np.testing.assert_array_equal(prepare(tmp_path / "a.png"), np.asarray(upright))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "1", "CMYK", "YCbCr", "P", "RGBX", "PA"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    rgb = Image.fromarray(make_image(16, 16))
    image = rgb.convert("P").convert("PA") if mode == "PA" else rgb.convert(mode)
    np.testing.assert_array_equal(prepare(image), np.asarray(image.convert("RGB")))


def test_a_palette_with_transparency_becomes_rgb(tmp_path: Path) -> None:
    image = Image.fromarray(make_image(16, 16)).quantize(16)
    image.save(tmp_path / "a.png", transparency=bytes(range(16)))
    np.testing.assert_array_equal(prepare(tmp_path / "a.png"), np.asarray(image.convert("RGB")))


def test_sixteen_bit_grey_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    values = np.linspace(0, 65_535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "a.png")
    expected = np.repeat(np.round(values / 257).astype(np.uint8)[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(prepare(tmp_path / "a.png"), expected)
    np.testing.assert_array_equal(prepare(Image.fromarray(values.astype(np.int32))), expected)


@pytest.mark.parametrize(
    ("array", "hint"),
    [
        (np.zeros((9, 9, 3), np.float32), r"found float32, expected uint8; pass uint8 0\.\.255; .*\* 255"),
        (np.zeros((9, 9, 3), np.uint16), "found uint16"),
        (np.zeros((3, 9, 9), np.uint8), r"channels are first: pass image.transpose\(1, 2, 0\)"),
        (np.zeros((9, 9, 4), np.uint8), r"pass image\[:, :, :3\]"),
        (np.zeros((9, 9, 1), np.uint8), r"pass a grey image as image\[:, :, 0\]"),
        (np.zeros((0, 9, 3), np.uint8), "found no pixels"),
        (np.zeros((9, 9, 2), np.uint8), "pass one image as"),
        (np.zeros(9, np.uint8), "pass one image as"),
        (np.zeros((1, 1, 9, 9, 3), np.uint8), "pass one image as"),
    ],
)
def test_a_wrong_array_is_refused_with_a_hint(array: np.ndarray, hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        prepare(array)


@pytest.mark.parametrize("item", [None, 3, b"bytes", [[0]], object()])
def test_what_is_no_image_is_refused(item: object) -> None:
    with pytest.raises(InputError, match=f"an image cannot be a {type(item).__name__}"):
        prepare(item)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone.png: found no file"):
        prepare(tmp_path / "gone.png")


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("hello", encoding="utf-8")
    with pytest.raises(InputError, match=r"notes.png: cannot be read as an image"):
        prepare(tmp_path / "notes.png")


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    Image.fromarray(make_image(64, 64)).save(tmp_path / "cut.jpg")
    whole = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut.jpg: cannot be read as an image"):
        prepare(tmp_path / "cut.jpg")


@pytest.mark.parametrize("values", [np.full((9, 9), 70_000, np.int32), np.zeros((9, 9), np.float32)])
def test_pixels_of_no_known_range_are_refused(values: np.ndarray) -> None:
    with pytest.raises(InputError, match="no known range"):
        prepare(Image.fromarray(values))


def test_a_batch_is_normalised_with_channels_first() -> None:
    pixels = make_image(16, 16)
    batch = build_preprocessor(EXACT, folder=".").batch([pixels, pixels])["pixel_values"]
    expected = ((pixels / 255 - MEAN) / STD).transpose(2, 0, 1).astype(np.float32)
    assert batch.shape == (2, 3, 16, 16)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch[0], expected)
    np.testing.assert_array_equal(batch[1], expected)


def test_an_empty_batch_has_the_right_shape() -> None:
    assert build_preprocessor(EXACT, folder=".").batch([])["pixel_values"].shape == (0, 3, 16, 16)
