"""The benchmarks run, and what they demand holds at a size that a test can afford."""

import re

import pytest
from PIL import Image
from tiny import save_tiny

from cxr.phantom import draw_phantom


@pytest.mark.slow
def test_planted_fingerprints_are_found_among_many(run_cli):
    done = run_cli(["benchmarks/duplicates.py", "--sizes", "6000", "12000"])
    assert done.returncode == 0, done.stderr
    recalls = [float(share) for share in re.findall(r"recall ([\d.]+)", done.stdout)]
    assert len(recalls) == 2
    assert min(recalls) >= 0.99
    assert float(re.search(r"growth exponent ([\d.]+)", done.stdout)[1]) < 1.5
    assert float(re.search(r"peak memory ([\d.]+) GiB", done.stdout)[1]) < 1


def pictures(folder, count):
    for seed in range(count):
        Image.fromarray(draw_phantom(seed, seed % 2).image).save(folder / f"{seed}.jpg")


def test_fingerprints_are_drawn_like_those_of_a_folder(run_cli, tmp_path):
    pictures(tmp_path, 4)
    (tmp_path / "notes.txt").write_text("no picture")
    done = run_cli(["benchmarks/duplicates.py", "--pictures", tmp_path, "--sizes", "500"])
    assert done.returncode == 0, done.stderr
    assert "500 fingerprints" in done.stdout


def test_reading_is_timed_against_pillow(run_cli, tmp_path):
    pictures(tmp_path, 3)
    done = run_cli(["benchmarks/prepare.py", tmp_path, "--rounds", "1", "--image_size", "64"])
    assert done.returncode == 0, done.stderr
    assert "3 files" in done.stdout
    assert float(re.search(r"ratio ours / pillow: ([\d.]+)", done.stdout)[1]) > 0


@pytest.mark.slow
def test_the_head_is_measured_against_the_seed(run_cli, tmp_path):
    from support import save_tiny_backbone

    from dataset_script.__main__ import main as prepare

    out, backbone = tmp_path / "phantoms", save_tiny_backbone(tmp_path / "backbone")
    flags = ["--image_size", "36", "--num_proc", "1", "--no_audit", "--duplicates", "keep"]
    assert prepare(["--source", "phantom=64", "--out", str(out), *flags]) == 0
    start = ["--dataset", out, "--backbone", backbone, "--input_size", "32", "--epochs", "2"]
    done = run_cli(["benchmarks/head.py", *start])
    assert done.returncode == 0, done.stderr
    seed, head = (float(re.search(rf"{name}: accuracy ([\d.]+)", done.stdout)[1]) for name in ("seed", "head"))
    assert float(re.search(r"difference head - seed: ([+-][\d.]+)", done.stdout)[1]) == pytest.approx(
        head - seed, abs=2e-4
    )
    assert float(re.search(r"ratio of the times head / seed: ([\d.]+)", done.stdout)[1]) > 0


def test_memory_is_measured_over_whole_preparations(run_cli):
    done = run_cli(["benchmarks/memory.py", "--sizes", "60", "120", "--no_audit"])
    assert done.returncode == 0, done.stderr
    peaks = [float(peak) for peak in re.findall(r"at most ([\d.]+) MiB", done.stdout)]
    assert len(peaks) == 2
    assert min(peaks) > 30
    assert re.search(r"slope -?\d+ bytes a picture", done.stdout)


@pytest.mark.slow
def test_clean_phantoms_do_not_make_the_audit_cry_wolf(run_cli):
    done = run_cli(["benchmarks/clean_audit.py", "--seeds", "1", "--first", "100", "--pictures", "200"])
    assert done.returncode == 0, done.stderr
    assert "None of the probes" in done.stdout
    assert "cried wolf: 0 of 1" in done.stdout


def test_conformal_coverage_is_measured_over_many_splits(run_cli, tmp_path):
    from transformers import ResNetConfig, ResNetForImageClassification

    from cxr.imaging.preprocess import make_processor

    tiny = ResNetConfig(num_labels=2, embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    ResNetForImageClassification(tiny).save_pretrained(tmp_path)
    make_processor(32).save_pretrained(tmp_path)
    done = run_cli(["benchmarks/conformal.py", tmp_path, "--phantoms", "80", "--splits", "50"])
    assert done.returncode == 0, done.stderr
    means = [float(mean) for mean in re.findall(r"mean coverage ([\d.]+)", done.stdout)]
    assert len(means) == 2
    assert all(0.85 < mean <= 1 for mean in means)


def test_a_gate_is_tried_on_what_it_was_not_fitted_on(run_cli, tmp_path):
    from PIL import Image
    from support import save_tiny_backbone
    from transformers import AutoModelForImageClassification

    from cxr.gate import FILE_NAME
    from cxr.gate.fitting import fit_gate
    from cxr.imaging.preprocess import make_processor
    from cxr.phantom import draw_phantom

    folder, xrays = save_tiny_backbone(tmp_path / "model"), tmp_path / "xrays"
    make_processor(48).save_pretrained(folder)
    model = AutoModelForImageClassification.from_pretrained(folder).eval()
    phantoms = [draw_phantom(seed, seed % 2).image for seed in range(45)]
    fit_gate(model, make_processor(48), phantoms[:30], phantoms[30:40], seed=0, progress=False).save(folder / FILE_NAME)
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


def test_answers_are_timed_and_compared_with_the_pipelines(run_cli, tmp_path):
    model, folder = tmp_path / "model", tmp_path / "xrays"
    save_tiny(model)
    folder.mkdir()
    pictures(folder, 4)
    done = run_cli(["benchmarks/predict.py", model, folder, "--rounds", "1"])
    assert done.returncode == 0, done.stderr
    assert float(re.search(r"ratio of times: ([\d.]+)", done.stdout)[1]) > 0
    assert float(re.search(r"ratio of rates: ([\d.]+)", done.stdout)[1]) > 0
    exact = re.search(r"exact: 4 files, at most ([\d.]+) apart, 100.00% closer", done.stdout)
    assert float(exact[1]) < 1e-4
    assert re.search(r"default: 4 files, at most [\d.]+ apart, 100.00% closer", done.stdout)


@pytest.mark.slow
def test_many_clients_are_answered_right_or_told_that_the_app_is_busy(run_cli, tmp_path):
    save_tiny(tmp_path)
    done = run_cli(["benchmarks/load.py", tmp_path, "--clients", "8", "--requests", "5"])
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"right (\d+), busy (\d+), anything else 0", done.stdout)
    assert int(found[1]) + int(found[2]) == 40
    assert int(found[1]) > 0
