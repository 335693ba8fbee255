"""The whole chain on phantoms with a marker in the corner: good inside, worse outside, and a card that says why."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from support import save_tiny_backbone

import dataset_script.__main__ as preparation
from cxr.phantom import draw_phantom
from cxr.schema.labels import COVID, LABELS, NON_COVID

SIZE = 64


def save(folder: Path, seeds: range, marked_share: float) -> None:
    """Phantoms in class folders; a letter in the upper left corner of this share of the COVID ones.

    Where there are letters there are no lesions: a network this small would else learn them as well as the letter.
    """
    for seed in seeds:
        label = seed % 2
        pixels = draw_phantom(seed, NON_COVID if marked_share else label).image.copy()
        if label == COVID and (seed // 2) % 20 < 20 * marked_share:
            side = min(pixels.shape)
            corner = (np.array(pixels.shape[::-1]) - side) // 2 + np.array([0.08, 0.20]) * side
            cv2.putText(pixels, "L", corner.astype(int).tolist(), cv2.FONT_HERSHEY_SIMPLEX, side / 170, 255, side // 42)
        path = folder / LABELS[label] / f"{seed}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


@pytest.mark.slow
def test_a_model_that_read_the_marker_is_told_so_in_its_card(run_cli, tmp_path):
    save(tmp_path / "marked", range(320), 0.95)
    save(tmp_path / "clean", range(1000, 1060), 0.0)
    sources = ["--source", f"folder={tmp_path / 'marked'}", "--source", f"folder={tmp_path / 'clean'}"]
    out = ["--external", "clean", "--out", str(tmp_path / "data"), "--image_size", "73", "--num_proc", "1"]
    assert preparation.main([*sources, *out]) == 0
    backbone = save_tiny_backbone(tmp_path / "backbone")
    command = ["train_hf.py", "--dataset", tmp_path / "data", "--backbone", backbone, "--output_dir", tmp_path / "run"]
    command += ["--external", f"clean={tmp_path / 'data' / 'external' / 'clean'}", "--input_size", SIZE, "--use_cpu"]
    command += ["--method", "full", "--precision", "fp32", "--num_train_epochs", 16, "--learning_rate", "1e-2"]
    done = run_cli([*command, "--per_device_train_batch_size", 16])
    assert done.returncode == 0, done.stderr[-2000:]
    model = tmp_path / "run" / "model"
    facts = json.loads((model / "metrics.json").read_text(encoding="utf-8"))
    inside, outside = facts["test"]["auroc"], facts["external"]["clean"]["auroc"]
    assert inside > 0.9
    assert outside < inside - 0.15
    card = (model / "README.md").read_text(encoding="utf-8")
    said = f"{inside:.2f} inside, {outside:.2f} outside (clean), "
    assert said in card
    assert "from the border alone: this model reads the source, such as its marks and borders" in card
