"""Colours warn of a photographed screen; X-rays get no warning, whatever their format."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from cxr import phantom
from cxr.imaging.reader import read_radiograph
from cxr.serving import batch, input_files
from cxr.serving.predictor import COLOUR_WARNING, colour_warning

GRAY = Image.fromarray(phantom.draw_phantom(4, 1).image)


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def photographed(cast: tuple[float, float, float]) -> Image.Image:
    """A screen that shows the phantom: the beat of two grids, shifted from channel to channel, and a colour cast."""
    pixels = np.asarray(GRAY.convert("RGB"), np.float32)
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    for channel in range(3):
        pixels[..., channel] *= (1 + 0.1 * np.sin(0.4 * x + 0.1 * y + channel)) * cast[channel]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("min_short_side", [None, 128])
@pytest.mark.parametrize(("kind", "options"), [("JPEG", {"quality": 85}), ("PNG", {}), ("WEBP", {}), ("TIFF", {})])
@pytest.mark.parametrize("cast", [(1, 1, 1), (0.92, 1, 1.08), (1.1, 1, 0.9)])
def test_a_photographed_screen_is_warned_about(
    cast: tuple[float, float, float], kind: str, options: dict, min_short_side: int | None
):
    assert (
        colour_warning(read_radiograph(saved(photographed(cast), kind, **options), min_short_side=min_short_side))
        == COLOUR_WARNING
    )


MARKED = GRAY.convert("RGB")
MARKED.paste("red", (10, 10, 60, 30))
XRAYS = {
    "gray": saved(GRAY),
    "gray as RGB JPEG": saved(GRAY.convert("RGB"), "JPEG", quality=40),
    "RGBA": saved(GRAY.convert("RGBA")),
    "palette": saved(GRAY.convert("P")),
    "sixteen bits": saved(Image.fromarray(np.asarray(GRAY).astype(np.uint16) * 257)),
    "with a red marker": saved(MARKED),
    "slightly tinted": saved(ImageOps.colorize(GRAY, "black", (250, 255, 255))),
}


@pytest.mark.parametrize("min_short_side", [None, 128])
@pytest.mark.parametrize("xray", XRAYS.values(), ids=XRAYS)
def test_an_xray_is_not(xray: bytes, min_short_side: int | None):
    assert colour_warning(read_radiograph(xray, min_short_side=min_short_side)) == ""


def test_every_answer_of_a_batch_carries_the_warning(predictor, tmp_path):
    (tmp_path / "photograph.jpg").write_bytes(saved(photographed((1.1, 1, 0.9)), "JPEG"))
    (tmp_path / "xray.png").write_bytes(XRAYS["gray"])
    coloured, gray = batch.answer_files(predictor, input_files.find([str(tmp_path)]))
    assert coloured.to_dict()["warning"] == coloured.to_row()["warning"] == COLOUR_WARNING
    assert COLOUR_WARNING in coloured.sentence
    assert gray.to_dict()["warning"] == ""
    assert "colours" not in gray.sentence


def test_xrays_of_real_collections_are_not(shared_data):
    files = [path for folder in ("ieee8023", "native") for path in sorted((shared_data / folder).rglob("*.[jp][pn]g"))]
    assert len(files) > 50
    assert [path.name for path in files[::7] if colour_warning(read_radiograph(path))] == []
