"""Phantoms with a marker in a corner, from dataset to card: AUROC drops on clean phantoms, and the card states why."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from raw import prepare
from support import save_tiny_backbone

from cxr.phantom import draw_phantom
from cxr.schema.labels import COVID, LABELS, NON_COVID
from cxr.schema.probes import PROBES

SIZE = 64


def save(folder: Path, seeds: range, marked_share: float) -> None:
    """Save phantoms in class folders, with a letter in the upper left corner of this share of the COVID ones.

    Marked phantoms have no lesions: a network this small would otherwise learn them along with the letter.
    """
    for seed in seeds:
        label = seed % 2
        pixels = draw_phantom(seed, NON_COVID if marked_share else label).image.copy()
        if label == COVID and (seed // 2) % 20 < 20 * marked_share:
            side = min(pixels.shape)
            corner = (np.array(pixels.shape[::-1]) - side) // 2 + np.array([0.08, 0.20]) * side
            cv2.putText(pixels, "L", corner.astype(int).tolist(), cv2.FONT_HERSHEY_SIMPLEX, side / 170, 255, side // 42)
        path = folder / LABELS[label] / f"{seed}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


@pytest.mark.slow
def test_the_card_of_a_model_that_relies_on_the_marker_says_so(train_here, tmp_path):
    save(tmp_path / "marked", range(320), 0.95)
    save(tmp_path / "clean", range(1000, 1060), 0.0)
    sources = f"folder={tmp_path / 'marked'}", f"folder={tmp_path / 'clean'}"
    prepare(tmp_path / "data", *sources, image_size=73, audit=True, search=False, more=["--external", "clean"])
    backbone = save_tiny_backbone(tmp_path / "backbone")
    command = ["train_hf.py", "--dataset", tmp_path / "data", "--backbone", backbone, "--output_dir", tmp_path / "run"]
    command += ["--external", f"clean={tmp_path / 'data' / 'external' / 'clean'}", "--input_size", SIZE, "--use_cpu"]
    command += ["--method", "full", "--precision", "fp32", "--num_train_epochs", 16, "--learning_rate", "1e-2"]
    model = train_here(*command, "--per_device_train_batch_size", 16, "--seed", 1)
    metrics = json.loads((model / "metrics.json").read_text(encoding="utf-8"))
    internal, external = metrics["test"]["auroc"], metrics["external"]["clean"]["auroc"]
    assert internal > 0.9
    assert external < internal - 0.15
    card = (model / "README.md").read_text(encoding="utf-8")
    assert f"AUROC {internal:.2f} on its own test split, {external:.2f} on clean, " in card
    assert (
        f"for a small classifier shown {PROBES['border'].short}: this model recognizes the source of an image, such as "
        "its marks and borders, rather than the disease"
    ) in card
