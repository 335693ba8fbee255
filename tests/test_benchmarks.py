"""The benchmarks run, and what they demand holds at a size that a test can afford."""

import re

import pytest


@pytest.mark.slow
def test_planted_fingerprints_are_found_among_many(run_cli):
    done = run_cli(["benchmarks/duplicates.py", "--sizes", "6000", "12000"])
    assert done.returncode == 0, done.stderr
    recalls = [float(share) for share in re.findall(r"recall ([\d.]+)", done.stdout)]
    assert len(recalls) == 2
    assert min(recalls) >= 0.99
    assert float(re.search(r"growth exponent ([\d.]+)", done.stdout)[1]) < 1.5
    assert float(re.search(r"peak memory ([\d.]+) GiB", done.stdout)[1]) < 1


def test_reading_is_timed_against_pillow(run_cli, tmp_path):
    from PIL import Image

    from cxr.phantom import draw

    for seed in range(3):
        Image.fromarray(draw(seed, seed % 2).image).save(tmp_path / f"{seed}.jpg")
    done = run_cli(["benchmarks/prepare.py", tmp_path, "--rounds", "1", "--image_size", "64"])
    assert done.returncode == 0, done.stderr
    assert "3 files" in done.stdout
    assert float(re.search(r"ratio ours / pillow: ([\d.]+)", done.stdout)[1]) > 0


def test_a_gate_is_tried_on_what_it_was_not_fitted_on(run_cli, tmp_path):
    from PIL import Image
    from support import save_tiny_backbone
    from transformers import AutoModelForImageClassification

    from cxr.gate import FILE_NAME
    from cxr.gate.fitting import fit
    from cxr.phantom import draw
    from cxr.preprocess import make_processor

    folder, xrays = save_tiny_backbone(tmp_path / "model"), tmp_path / "xrays"
    make_processor(48).save_pretrained(folder)
    model = AutoModelForImageClassification.from_pretrained(folder).eval()
    phantoms = [draw(seed, seed % 2).image for seed in range(45)]
    fit(model, make_processor(48), phantoms[:30], phantoms[30:40], seed=0, progress=False).save(folder / FILE_NAME)
    xrays.mkdir()
    for number, pixels in enumerate(phantoms[40:]):
        Image.fromarray(pixels).save(xrays / f"{number}.png")
    done = run_cli(["benchmarks/gate.py", folder, xrays, "--count", "5"])
    assert done.returncode == 0, done.stderr
    refused = {
        name.strip(): float(share)
        for name, share in re.findall(r"^(.+?) +\d+ pictures, refused (\S+)$", done.stdout, re.M)
    }
    assert list(refused)[-4:] == ["photographs", "text", "noise", "blank"]
    assert refused["xrays, as they are"] <= 0.4 < refused["xrays, quarter turn left"]
