"""The trials: each intervention does what it says, a series continues, and its log tells improvement from chance."""

import json
import re

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict, Image
from PIL import Image as PILImage
from support import ROOT

from cxr.imaging.geometry import CROP_PCT
from cxr.phantom import draw_phantom
from cxr.schema.labels import COVID, NON_COVID
from experiments import __main__ as series
from experiments import log
from experiments.interventions import INTERVENTIONS
from experiments.trial import Budget, Images


def outside(count: int = 200) -> Images:
    labels = np.arange(count) % 2
    return Images([], labels, ["clinic"] * count, [str(number // 2) for number in range(count)])


def scored(name: str, seed: int, signal: float, other: int = 0) -> log.Record:
    rng, labels = np.random.default_rng([seed, other]), outside().labels
    margins = signal * labels + rng.normal(0, 1, len(labels))
    return log.Record(name, seed, 60.0, dict.fromkeys(("test", "choose", "report"), margins))


PARTS = dict.fromkeys(("train", "test", "choose", "report"), outside())


def test_an_improvement_beyond_its_interval_is_selected_and_reported_on_the_other_half():
    records = [scored("baseline", seed, 0.3) for seed in (0, 1)] + [scored("zoom_in", seed, 2.0) for seed in (0, 1)]
    text = log.write(records, PARTS, Budget(), "python -m experiments")
    gain = log.difference(records[2:], records[:2], "choose", outside())
    assert gain.low > 0
    assert f"{gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}) |" in text
    assert "with `zoom_in`, the intervention with the largest improvement whose 95 % interval excludes zero" in text


def test_an_improvement_within_its_interval_changes_nothing():
    records = [scored("baseline", 0, 1.0), scored("spectra", 0, 1.0, other=1)]
    text = log.write(records, PARTS, Budget(), "python -m experiments")
    assert "No intervention improves on the baseline with a 95 % interval that excludes zero" in text


def test_a_paired_difference_of_equals_is_nothing_at_all():
    records = [scored("baseline", 0, 1.0)]
    assert log.difference(records, records, "choose", outside()) == (0, 0, 0)


@pytest.mark.parametrize("name", ["photometric", "noise", "spectra", "zoom_in", "noise_zoom", "erase_frame"])
def test_augmentation_changes_images_but_not_their_shape_and_stays_finite(name):
    images = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (4, 3, 32, 32)).astype(np.float32))
    augment = INTERVENTIONS[name].augment
    varied = augment(images, np.random.default_rng(1))
    assert varied.shape == images.shape
    assert torch.isfinite(varied).all()
    assert not torch.equal(varied, images)


def test_the_lung_crop_keeps_the_lungs_and_loses_some_of_the_rest():
    kept = []
    for seed in range(8):
        phantom = draw_phantom(seed, NON_COVID)
        marked = np.where(phantom.lungs, phantom.image // 2 * 2, phantom.image | 1)
        cropped = INTERVENTIONS["lung_crop"].preprocess(marked)
        assert cropped.size < marked.size
        kept.append((cropped % 2 == 0).sum() / phantom.lungs.sum())
    assert np.mean(kept) > 0.85


def test_the_black_border_leaves_the_middle_of_what_the_network_sees():
    seen = INTERVENTIONS["border_black"].preprocess(np.full((100, 120), 200, np.uint8))
    half = int(0.38 * CROP_PCT * 100)
    assert (seen[50 - half : 50 + half, 60 - half : 60 + half] == 200).all()
    assert seen.sum() == 200 * (2 * half) ** 2


@pytest.mark.slow
def test_a_series_goes_on_where_it_stopped(tmp_path):
    save_phantoms(tmp_path / "inside", ("train", "validation", "test"), 32)
    save_phantoms(tmp_path / "outside", ("test",), 32)
    command = ["--dataset", tmp_path / "inside", "--external", tmp_path / "outside", "--out", tmp_path / "trials"]
    command += ["--size", "32", "--epochs", "1", "--seeds", "0", "--log", tmp_path / "LOG.md"]
    assert series.main([*map(str, command), "--only", "averaged", "border_crop"]) == 0
    book = (tmp_path / "trials" / "trials.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line)["intervention"] for line in book.splitlines()] == ["baseline", "averaged", "border_crop"]
    assert series.main([*map(str, command), "--only", "averaged", "border_crop"]) == 0
    assert (tmp_path / "trials" / "trials.jsonl").read_text(encoding="utf-8") == book
    assert "| `border_crop` |" in (tmp_path / "LOG.md").read_text(encoding="utf-8")
    assert str(tmp_path) not in (tmp_path / "LOG.md").read_text(encoding="utf-8")


def test_a_series_from_before_is_read(tmp_path):
    line = {"mean": "zoom_in", "seed": 1, "test": [0.5], "choose": [1.0, 2.0], "report": [3.0], "seconds": 7.0}
    (tmp_path / "trials.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    (record,) = series._read(tmp_path / "trials.jsonl")
    assert (record.intervention, record.seed, record.seconds) == ("zoom_in", 1, 7.0)
    assert record.margins["choose"].tolist() == [1.0, 2.0]


LOGS = sorted((ROOT / "docs" / "results").glob("LOG*.md"))


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_the_committed_logs_describe_the_interventions_as_they_are(path):
    text = path.read_text(encoding="utf-8")
    rows = rows_of(text)
    assert rows == [(name, known.description) for name, known in INTERVENTIONS.items() if name in dict(rows)]
    start, end = log._HEAD.split("{inside}")[0], log._HEAD.split("{command}")[1]
    assert text.startswith(start)
    assert end in text


def test_every_intervention_is_in_one_of_the_committed_logs():
    assert {name for path in LOGS for name, _ in rows_of(path.read_text(encoding="utf-8"))} == set(INTERVENTIONS)


def rows_of(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^\| `(\w+)` \| (.+?) \|", text, re.MULTILINE)


def test_an_unknown_trial_is_one_line(capsys):
    assert series.main(["--dataset", "a", "--external", "b", "--out", "c", "--only", "magic"]) == 2
    assert "--only magic: the trials are baseline" in capsys.readouterr().err


def test_a_folder_without_a_dataset_is_one_line(tmp_path, capsys):
    assert series.main(["--dataset", str(tmp_path), "--external", "b", "--out", str(tmp_path / "c")]) == 2
    assert f"--dataset {tmp_path} is no prepared dataset" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def save_phantoms(folder, splits, count):
    def rows(start: int) -> Dataset:
        pixels = [PILImage.fromarray(draw_phantom(start + n, n % 2).image).resize((48, 48)) for n in range(count)]
        columns = {"image": pixels, "label": [(NON_COVID, COVID)[n % 2] for n in range(count)]}
        columns |= {"source": ["phantom"] * count, "patient_id": [str(start + n) for n in range(count)]}
        return Dataset.from_dict(columns).cast_column("image", Image())

    folder.mkdir()
    parts = DatasetDict({split: rows(1000 * number) for number, split in enumerate(splits)})
    for split, part in parts.items():
        part.to_parquet(folder / f"{split}.parquet")
