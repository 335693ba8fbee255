"""What is drawn of a heatmap: one scale for all images, nothing bright for an answer near 0, and smooth edges."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import save_tiny

from cxr import phantom
from cxr.imaging import reader
from cxr.serving.answer import Explanation
from cxr.serving.heatmap import FULL, overlay, overlay_png, png
from cxr.serving.predictor import Predictor

SEEDS = range(900, 906)


def alpha(explanation: Explanation, size: tuple[int, int]) -> np.ndarray:
    """The opacity of the drawn map, float (H, W), as a share of the strongest."""
    with Image.open(io.BytesIO(base64.b64decode(overlay_png(explanation, size)))) as image:
        return np.asarray(image)[..., 3] / 230


def explanations(folder: Path, shift: float) -> list[tuple[Explanation, tuple[int, int]]]:
    """The answers of a tiny model to phantoms, its logit shifted by the bias; evidence stays as it is."""
    model = save_tiny(folder)
    model.classifier[1].bias.data[1] += shift
    model.save_pretrained(folder)
    predictor = Predictor.load(str(folder), precision="exact")
    images = [phantom.draw_phantom(seed, seed % 2).image for seed in SEEDS]
    return [(predictor.explain(reader.read_radiograph(png(image))), image.shape[::-1]) for image in images]


def test_an_answer_near_0_has_no_bright_spot(tmp_path: Path):
    for explanation, size in explanations(tmp_path, -20.0):
        assert explanation.answer.probability < 0.01
        assert explanation.activation_map.max() > 0
        assert alpha(explanation, size).max() < 0.05


def test_the_same_evidence_is_as_strong_in_every_image(tmp_path: Path):
    for explanation, size in explanations(tmp_path, 20.0):
        assert explanation.answer.probability > 0.99
        evidence = explanation.activation_map
        drawn = alpha(explanation, size)
        assert drawn.max() <= min(1.0, evidence.max() / FULL) + 0.01
        assert (drawn.max() > 0.01) == (evidence.max() > 0.02 * FULL)


def test_twice_the_evidence_is_twice_as_opaque_up_to_full():
    ramp = np.broadcast_to(np.linspace(0, 1, 120, dtype=np.float32), (100, 120))
    once, twice = (overlay(factor * FULL / 4 * ramp)[50, 10:110, 3].astype(float) for factor in (1, 2))
    assert twice == pytest.approx(2 * once, abs=2.5)  # both are rounded
    assert overlay(np.full((100, 100), FULL, np.float32))[50, 50, 3] == 230
    assert overlay(np.full((100, 100), 9 * FULL, np.float32))[50, 50, 3] == 230
    assert not overlay(np.zeros((100, 100), np.float32))[..., 3].any()


def test_edges_of_cells_and_of_the_crop_are_smooth():
    evidence = np.full((160, 160), np.nan, np.float32)
    evidence[10:150, 10:150] = FULL / 2
    evidence[10:80, 10:80] = FULL
    drawn = overlay(evidence)[..., 3].astype(float)
    assert np.abs(np.diff(drawn, axis=0)).max() < 40
    assert np.abs(np.diff(drawn, axis=1)).max() < 40
    assert drawn[0, 0] < 1
