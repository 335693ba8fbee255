"""The benchmarks run, their numbers are consistent, and they find known values at a size that a test can afford."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from raw import marked_phantoms, prepare
from safetensors.torch import save_file
from scipy.stats import rankdata
from tiny import save_tiny
from torch.nn import functional
from transformers import ResNetConfig

from cxr.errors import UnreadableImage
from cxr.imaging import reader
from cxr.phantom import draw_phantom


@pytest.fixture
def run_benchmark(benchmark, capsys):
    """Run a benchmark that has to succeed, in this process; returns what it printed."""

    def run(name: str, *arguments: object) -> str:
        assert not benchmark(name).main([str(argument) for argument in arguments])
        return capsys.readouterr().out

    return run


def number(pattern: str, text: str) -> float:
    """The number that a pattern's group matches."""
    return float(re.search(pattern, text)[1].replace(",", ""))


def save_phantoms(folder: Path, count: int) -> None:
    for seed in range(count):
        Image.fromarray(draw_phantom(seed, seed % 2).image).save(folder / f"{seed}.jpg")


def test_ways_are_timed_in_turns_and_by_their_medians(benchmark, monkeypatch):
    measure, calls, clock = benchmark("measure"), [], [0.0]
    monkeypatch.setattr(measure.time, "perf_counter", lambda: clock[0])

    def way(name: str, factor: float):
        def do(item: int) -> None:
            calls.append((name, item))
            disturbed = len(calls) > 8  # everything in the third round
            clock[0] += factor * item + 100 * disturbed

        return do

    seconds = measure.median_seconds({"slow": way("slow", 4), "fast": way("fast", 1)}, [1, 2], rounds=3)
    assert calls == 3 * [("slow", 1), ("fast", 1), ("slow", 2), ("fast", 2)]
    assert seconds["slow"].tolist() == [4, 8]
    assert seconds["fast"].tolist() == [1, 2]


def test_mutated_files_go_through_both_commands(run_benchmark, benchmark, tmp_path):
    said = run_benchmark("soak", "--count", 78, "--seed", 2, "--keep", tmp_path / "kept")
    assert "78 files through both commands" in said
    assert number(r"slowest ([\d.]+) s", said) < 5
    assert not (tmp_path / "kept").exists()
    mutations = benchmark("mutations")
    first, again = ([next(files) for _ in range(3)] for files in (mutations.mutants(2), mutations.mutants(2)))
    assert first == again


def test_a_mutated_file_that_fails_is_kept(benchmark, monkeypatch, tmp_path):
    soak, read = benchmark("soak"), []

    def fail(source: object, **options: object) -> None:
        read.append(source)
        raise UnreadableImage("is refused") if len(read) != 5 else ZeroDivisionError

    monkeypatch.setattr(reader, "read_radiograph", fail)
    with pytest.raises(ZeroDivisionError):
        soak.main(["--count", "26", "--seed", "2", "--keep", str(tmp_path / "kept")])
    assert len(list((tmp_path / "kept").iterdir())) == 1
    assert reader.read_radiograph is fail  # what the soak put in its place is gone


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to read a process's memory")
def test_memory_of_a_process_grows_by_what_it_holds(benchmark):
    measure = benchmark("measure")
    before = measure.process_bytes("VmRSS")
    held = np.ones(64 * 2**20, np.uint8)
    assert 60 * 2**20 < measure.process_bytes("VmRSS") - before < 80 * 2**20
    assert measure.process_bytes("VmHWM") >= measure.process_bytes("VmRSS")
    assert held.all()


def test_a_table_is_as_wide_as_its_cells(benchmark, capsys):
    benchmark("measure").print_table(["name", 0.5], [["x", "100.0 (3)"], ["longer", 2]])
    assert capsys.readouterr().out == "name          0.5\nx       100.0 (3)\nlonger          2\n"


@pytest.mark.slow
def test_planted_fingerprints_are_found_among_many_and_in_little_memory(run_cli):
    done = run_cli(["benchmarks/duplicates.py", "--sizes", "6000", "12000"])
    assert done.returncode == 0, done.stderr
    printed = done.stdout
    recalls = [float(share) for share in re.findall(r"recall ([\d.]+)", printed)]
    assert len(recalls) == 2
    assert min(recalls) >= 0.99
    assert number(r"growth exponent ([\d.]+)", printed) < 1.5
    assert number(r"peak memory ([\d.]+) GiB", printed) < 1


def test_fingerprints_are_drawn_like_those_of_a_folder(run_benchmark, tmp_path):
    save_phantoms(tmp_path, 4)
    (tmp_path / "notes.txt").write_text("no image")
    printed = run_benchmark("duplicates", "--images", tmp_path, "--sizes", "500")
    assert number(r"500 fingerprints: .*recall ([\d.]+)", printed) == 1
    assert number(r"([\d,]+) pairs proposed", printed) >= 5


def test_planted_duplicates_are_as_far_as_they_should_be(benchmark):
    duplicates = benchmark("duplicates")
    rng = np.random.default_rng(0)
    codes, pairs = duplicates.plant(rng.integers(0, 256, (1000, 6, 32), np.uint8), rng)
    bits = np.unpackbits(codes[pairs[:, 0]] ^ codes[pairs[:, 1]], axis=2).sum(axis=2)
    assert pairs.shape == (10, 2)
    assert 1 <= bits.min() <= bits.max() <= 32
    assert duplicates.recall(pairs[:5], pairs, 1000) == 0.5


def test_preparation_is_timed_against_pillow(run_benchmark, tmp_path):
    save_phantoms(tmp_path, 3)
    (tmp_path / "broken.png").write_bytes(b"not an image")
    printed = run_benchmark("prepare", tmp_path, "--rounds", "1", "--image_size", "64")
    assert "3 files" in printed
    ours, pillow = number(r"ours (-?[\d.]+) ms", printed), number(r"pillow ([\d.]+) ms", printed)
    rounding = (0.0005 + 0.0005 * abs(ours / pillow)) / pillow + 0.0005
    assert number(r"ratio ours / pillow: (-?[\d.]+)", printed) == pytest.approx(ours / pillow, abs=1.01 * rounding)


@pytest.mark.slow
def test_the_head_is_measured_against_the_seed(run_benchmark, tmp_path):
    from support import save_tiny_backbone

    from dataset_script.__main__ import main as prepare

    out, backbone = tmp_path / "phantoms", save_tiny_backbone(tmp_path / "backbone")
    flags = ["--image_size", "36", "--num_proc", "1", "--no_audit", "--duplicates", "keep"]
    assert prepare(["--source", "phantom=64", "--out", str(out), *flags]) == 0
    start = ["--dataset", out, "--backbone", backbone, "--input_size", "32", "--epochs", "2"]
    printed = run_benchmark("head", *start)
    accuracy = {name: number(rf"{name}: accuracy ([\d.]+)", printed) for name in ("seed", "head")}
    seconds = {name: number(rf"{name}: .*, ([\d.]+) s", printed) for name in ("seed", "head")}
    assert re.search(r"seed: .* \(epoch [12] of 2\)", printed)
    difference = number(r"difference head - seed: ([+-][\d.]+)", printed)
    assert difference == pytest.approx(accuracy["head"] - accuracy["seed"], abs=2e-4)
    ratio = number(r"ratio of the times head / seed: ([\d.]+)", printed)
    assert ratio * seconds["seed"] == pytest.approx(seconds["head"], abs=0.06 * (1 + ratio))


def test_memory_is_measured_over_whole_preparations(run_benchmark):
    printed = run_benchmark("memory", "--sizes", "60", "120", "--no_audit")
    small, large = (float(peak) for peak in re.findall(r"at most ([\d.]+) MiB", printed))
    assert 30 < small < 1000  # an interpreter with its libraries
    slope = number(r"slope (-?\d+) bytes per image", printed)
    assert slope == pytest.approx((large - small) * 2**20 / 60, abs=0.11 * 2**20 / 60)


@pytest.mark.slow
def test_clean_phantoms_raise_no_false_alarm(run_benchmark):
    printed = run_benchmark("clean_audit", "--seeds", "1", "--first", "100", "--images", "200")
    assert "No probe is flagged" in printed
    assert "false alarms: 0 of 1" in printed


def test_intervals_of_a_difference_contain_the_true_one_nearly_always(benchmark):
    comparison = benchmark("comparison")
    found = comparison.coverage(comparison.DESIGNS[-1], (0.90, 0.80), pairs=25, images=120)
    for name, (share, without) in found.items():
        assert share >= 0.8, name
        assert without < 0.2, name


def test_simulated_studies_have_the_auroc_and_the_correlation_that_they_state(benchmark):
    coverage = benchmark("coverage")
    for design in coverage.DESIGNS:
        score, label, patient = coverage.simulate(design, 0.9, 40_000, np.random.default_rng(0))
        positive = label == 1
        wins = rankdata(score)[positive].sum() - positive.sum() * (positive.sum() + 1) / 2
        assert wins / positive.sum() / (~positive).sum() == pytest.approx(0.9, abs=0.01)
        assert positive.mean() == pytest.approx(design.prevalence, abs=0.02)
        alike = patient[1:] == patient[:-1]
        noise = score - coverage.distance(0.9) * label
        assert np.corrcoef(noise[1:][alike], noise[:-1][alike])[0, 1] == pytest.approx(0.5, abs=0.03)
        assert (label[1:] == label[:-1])[alike].all() == (design.label_per == "patient")


def test_intervals_of_simulated_studies_contain_the_true_value_nearly_always(benchmark):
    coverage = benchmark("coverage")
    shares = coverage.coverage(coverage.DESIGNS[0], 0.9, studies=12, images=120)
    assert {"auroc", "sensitivity", "ppv 1%", "npv 20%"} <= shares.keys()
    assert {without for _, without in shares.values()} == {0}
    assert np.mean([share for share, _ in shares.values()]) > 0.8
    doubly = coverage.coverage(coverage.DESIGNS[-1], 0.9, studies=12, images=120)
    assert doubly["auroc"] == shares["auroc"]


def test_conformal_coverage_is_measured_over_many_splits(run_benchmark, tmp_path):
    from transformers import ResNetConfig, ResNetForImageClassification

    from cxr.imaging.preprocess import make_processor

    tiny = ResNetConfig(num_labels=2, embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    ResNetForImageClassification(tiny).save_pretrained(tmp_path)
    make_processor(32).save_pretrained(tmp_path)
    printed = run_benchmark("conformal", tmp_path, "--phantoms", "80", "--splits", "50")
    means = [float(mean) for mean in re.findall(r"mean coverage ([\d.]+)", printed)]
    assert len(means) == 2
    assert all(0.85 < mean <= 1 for mean in means)


def test_a_gate_is_tried_on_what_it_was_not_fitted_on(run_benchmark, tmp_path):
    from cxr.gate.features import FeatureExtractor
    from cxr.gate.fitting import fit_gate
    from cxr.imaging.preprocess import make_processor
    from cxr.schema.model_repo import GATE

    folder, xrays = tmp_path / "model", tmp_path / "xrays"
    model = save_tiny(folder).eval()
    make_processor(48).save_pretrained(folder)
    phantoms = [draw_phantom(seed, seed % 2).image for seed in range(45)]
    extract = FeatureExtractor(model, make_processor(48))
    fit_gate(extract, phantoms[:30], extract(phantoms[30:40]), seed=0, progress=False).save(folder / GATE)
    xrays.mkdir()
    for index, pixels in enumerate(phantoms[40:]):
        Image.fromarray(pixels).save(xrays / f"{index}.png")
    printed = run_benchmark("gate", folder, xrays, "--count", "5")
    rejected = {
        name.strip(): float(share)
        for name, share in re.findall(r"^(.+?) +\d+ images, rejected (\S+)$", printed, re.MULTILINE)
    }
    assert list(rejected)[-4:] == ["photographs", "text", "noise", "blank"]
    assert rejected["xrays, as they are"] <= 0.4 < rejected["xrays, quarter turn left"]


def test_answers_are_timed_and_compared_with_the_pipelines(run_benchmark, tmp_path):
    model, folder = tmp_path / "model", tmp_path / "xrays"
    save_tiny(model)
    folder.mkdir()
    save_phantoms(folder, 4)
    printed = run_benchmark("predict", model, folder, "--rounds", "1")
    ours, theirs = number(r"heatmap ([\d.]+) ms", printed), number(r"label ([\d.]+) ms", printed)
    assert number(r"ratio of times: ([\d.]+)", printed) == pytest.approx(ours / theirs, rel=0.05)
    ours, theirs = number(r"ours ([\d.]+) files/s", printed), number(r"pipeline ([\d.]+) files/s", printed)
    assert number(r"ratio of rates: ([\d.]+)", printed) == pytest.approx(ours / theirs, rel=0.05)
    assert number(r"exact: 4 files, at most ([\d.]+) apart, 100.00% closer", printed) < 1e-4
    assert number(r"fast: 4 files, at most ([\d.]+) apart, 100.00% closer", printed) < 0.01


@pytest.mark.slow
def test_many_clients_are_answered_right_or_told_that_the_app_is_busy(run_cli, tmp_path):
    save_tiny(tmp_path)
    done = run_cli(["benchmarks/load.py", tmp_path, "--clients", "8", "--requests", "5", "--settle", "1"])
    assert done.returncode == 0, done.stdout + done.stderr
    right, busy = re.search(r"right (\d+), busy (\d+), anything else 0", done.stdout).groups()
    assert int(right) + int(busy) == 40
    assert int(right) > 0


@pytest.fixture(scope="module")
def with_boxes(tmp_path_factory):
    """A tiny model, and a dataset with boxes around the lower half of every COVID image."""
    tmp_path = tmp_path_factory.mktemp("boxes")
    ward = marked_phantoms(tmp_path / "ward", 60, 0, range(1, 60, 2))
    prepare(tmp_path / "out", f"table={ward}", image_size=146, search=False)
    save_tiny(tmp_path / "model")
    return tmp_path / "model", tmp_path / "out"


@pytest.mark.slow
def test_steps_are_timed_beside_busy_neighbours(benchmark, monkeypatch, capsys):
    trial = benchmark("neighbours")
    monkeypatch.setattr(trial, "WAYS", {"OMP_WAIT_POLICY=passive": {"OMP_WAIT_POLICY": "passive"}})
    monkeypatch.setattr(trial, "NEIGHBOURS", (0, 1))
    trial.main(["--size", "32", "--batch", "2", "--steps", "1", "--rounds", "1"])
    (line,) = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"OMP_WAIT_POLICY=passive +0 busy +[\d.]+ s \(1\.00\) +1 busy +[\d.]+ s \([\d. ]+\)", line)


def test_heatmaps_are_measured_against_boxes(run_benchmark, with_boxes, tmp_path):
    """Boxes around half of every image: chance is a half, and the usual place is always right."""
    figures = tmp_path / "figures.json"
    out = run_benchmark("heatmaps", *with_boxes, "--split", "train", "--json", figures)
    measured = json.loads(figures.read_text())
    assert measured["chance"]["pointing_game"] == pytest.approx(0.5, abs=0.01)
    assert measured["usual_place"]["pointing_game"] == 1.0
    assert 0 <= measured["class_activation_map"]["evidence_inside"] <= 1
    assert re.search(r"^usual place +100 %", out, re.MULTILINE)


def test_ways_of_computing_heatmaps_are_compared(run_benchmark, with_boxes, tmp_path):
    figures, checkpoint = tmp_path / "figures.json", tmp_path / "checkpoint"
    checkpoint.mkdir()
    channels = ResNetConfig.from_pretrained(with_boxes[0]).hidden_sizes[-2]
    kernel = {"box_loss.read_out.weight": torch.ones(1, channels, 1, 1), "box_loss.read_out.bias": torch.zeros(1)}
    save_file(kernel, checkpoint / "model.safetensors")
    flags = ["--split", "train", "--checkpoint", checkpoint, "--json", figures]
    out = run_benchmark("attributions", *with_boxes, *flags)
    measured = json.loads(figures.read_text())
    assert len(measured) == 12
    chances = [row["chance"]["pointing_game"] for row in measured.values()]
    assert chances == pytest.approx([0.5] * 12, abs=0.01)
    for name, row in measured.items():
        assert re.search(f"^{re.escape(name)} ", out, re.MULTILINE)
        assert 0 <= row["class_activation_map"]["pointing_game"] <= 1


def test_a_checkpoint_without_boxes_is_one_line(benchmark, with_boxes, capsys):
    flags = ["--split", "train", "--checkpoint", str(with_boxes[0])]
    assert benchmark("attributions").main([*map(str, with_boxes), *flags]) == 2
    assert re.search(
        r"^error: --checkpoint .* is none of a run with --box_weight", capsys.readouterr().err, re.MULTILINE
    )


@pytest.mark.parametrize("name", ["attributions", "heatmaps", "shift", "predict"])
def test_a_model_that_is_not_there_is_one_line(benchmark, name, tmp_path, capsys):
    absent = tmp_path / "absent"
    assert benchmark(name).main([str(absent), str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {str(absent)!r} is neither")


def test_the_attributions_agree_where_they_must(benchmark, tmp_path):
    """Averages over shifts stay in their place, finer cells are more, and LayerCAM has its stage's cells."""
    attributions = benchmark("attribution_methods")
    model = save_tiny(tmp_path).eval()
    values = torch.randn(2, 3, 128, 128)
    shapes = {name: [of_image.shape for of_image in way(model)(values)] for name, way in attributions.WAYS.items()}
    sides = dict(zip(attributions.WAYS, (4, 16, 8, 128, 128, 4, 8, 4, 16, 8), strict=True))
    assert shapes == {name: [(side, side)] * 2 for name, side in sides.items()}
    moved = torch.zeros(1, 1, 8, 8)
    moved[..., 3, 3] = 1
    assert attributions._shifted(moved, 2, -1)[0, 0, 2, 5] == 1

    def brightness(images: torch.Tensor) -> list:
        return list(functional.avg_pool2d(images[:, 0], 32).numpy())

    spot = torch.zeros(1, 3, 128, 128)
    spot[..., 64:96, 32:64] = 1
    averaged = attributions.averaged_over_shifts(brightness)(spot)[0]
    assert np.unravel_index(averaged.argmax(), averaged.shape) == pytest.approx((79.5, 47.5), abs=1)


class UpperLeft(torch.nn.Module):
    """A network whose margin is the mean of an image's upper left quarter."""

    device = torch.device("cpu")

    def forward(self, values: torch.Tensor) -> SimpleNamespace:
        margin = values[..., :64, :64].mean(dim=(1, 2, 3))
        return SimpleNamespace(logits=torch.stack([torch.zeros_like(margin), margin], dim=1))


@pytest.mark.parametrize("way", ["integrated_gradients", "occlusion"])
def test_what_an_answer_does_not_depend_on_gets_no_evidence(benchmark, way):
    (evidence,) = getattr(benchmark("attribution_methods"), way)(UpperLeft())(torch.ones(1, 3, 128, 128))
    half = len(evidence) // 2
    assert (evidence[:half, :half] > 0).all()
    assert evidence[half + 1 :].max() == evidence[:, half + 1 :].max() == 0


def test_integrated_gradients_add_up_to_the_margin(benchmark):
    (evidence,) = benchmark("attribution_methods").integrated_gradients(UpperLeft())(torch.full((1, 3, 128, 128), 2.0))
    assert evidence.mean() * 128**2 == pytest.approx(2.0)


def test_a_model_is_adapted_to_darker_phantoms(run_benchmark, finished, tmp_path):
    told = run_benchmark("adaptation", finished, tmp_path, "--count", "70", "--covid", "0.4", "--image_size", "36")
    assert re.search(r"ECE \(15 bins\) [\d.]+ .*→", told)
    assert (tmp_path / "adapted" / "model.safetensors").is_file()
