"""The trials: each mean does what it says, a series goes on where it stopped, and its log tells gains from luck."""

import json

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict, Image
from PIL import Image as Picture

from cxr.imaging.geometry import CROP_PCT
from cxr.phantom import draw_phantom
from cxr.schema.labels import COVID, NON_COVID
from experiments import __main__ as door
from experiments import log
from experiments.interventions import MEANS
from experiments.trial import Budget, Pictures


def outside(count: int = 200) -> Pictures:
    labels = np.arange(count) % 2
    return Pictures([], labels, ["clinic"] * count, [str(number // 2) for number in range(count)])


def scored(mean: str, seed: int, signal: float, other: int = 0) -> dict:
    rng, labels = np.random.default_rng([seed, other]), outside().labels
    scores = (signal * labels + rng.normal(0, 1, len(labels))).tolist()
    return {"mean": mean, "seed": seed, "seconds": 60.0} | dict.fromkeys(("test", "choose", "report"), scores)


PARTS = dict.fromkeys(("test", "choose", "report"), outside())


def test_a_gain_beyond_its_interval_is_chosen_and_reported_on_the_other_part():
    records = [scored("baseline", seed, 0.3) for seed in (0, 1)] + [scored("zoom_in", seed, 2.0) for seed in (0, 1)]
    text = log.write(records, PARTS, Budget(), "python -m experiments")
    gain = log.difference(records[2:], records[:2], "choose", outside())
    assert gain.low > 0
    assert f"{gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}) |" in text
    assert "with `zoom_in`, the mean that helps most beyond its interval" in text


def test_what_helps_within_its_interval_changes_nothing():
    records = [scored("baseline", 0, 1.0), scored("spectra", 0, 1.0, other=1)]
    assert "No mean helps beyond its interval" in log.write(records, PARTS, Budget(), "python -m experiments")


def test_a_paired_difference_of_equals_is_nothing_at_all():
    records = [scored("baseline", 0, 1.0)]
    assert log.difference(records, records, "choose", outside()) == (0, 0, 0)


@pytest.mark.parametrize("name", ["photometric", "spectra", "zoom_in", "erase_frame"])
def test_variation_keeps_shape_and_finiteness_and_changes_pictures(name):
    pictures = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (4, 3, 32, 32)).astype(np.float32))
    (vary,) = MEANS[name].vary
    varied = vary(pictures, np.random.default_rng(1))
    assert varied.shape == pictures.shape
    assert torch.isfinite(varied).all()
    assert not torch.equal(varied, pictures)


def test_the_lung_crop_keeps_the_lungs_and_loses_some_of_the_rest():
    kept = []
    for seed in range(8):
        phantom = draw_phantom(seed, NON_COVID)
        marked = np.where(phantom.lungs, phantom.image // 2 * 2, phantom.image | 1)
        cropped = MEANS["lung_crop"].see(marked)
        assert cropped.size < marked.size
        kept.append((cropped % 2 == 0).sum() / phantom.lungs.sum())
    assert np.mean(kept) > 0.85


def test_the_black_border_leaves_the_middle_of_what_the_network_sees():
    seen = MEANS["border_black"].see(np.full((100, 120), 200, np.uint8))
    half = int(0.38 * CROP_PCT * 100)
    assert (seen[50 - half : 50 + half, 60 - half : 60 + half] == 200).all()
    assert seen.sum() == 200 * (2 * half) ** 2


@pytest.mark.slow
def test_a_series_goes_on_where_it_stopped(tmp_path):
    save_phantoms(tmp_path / "inside", ("train", "validation", "test"), 32)
    save_phantoms(tmp_path / "outside", ("test",), 32)
    command = ["--dataset", tmp_path / "inside", "--external", tmp_path / "outside", "--out", tmp_path / "trials"]
    command += ["--size", "32", "--epochs", "1", "--seeds", "0", "--log", tmp_path / "LOG.md"]
    assert door.main([*map(str, command), "--only", "averaged", "border_crop"]) == 0
    book = (tmp_path / "trials" / "trials.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line)["mean"] for line in book.splitlines()] == ["baseline", "averaged", "border_crop"]
    assert door.main([*map(str, command), "--only", "averaged", "border_crop"]) == 0
    assert (tmp_path / "trials" / "trials.jsonl").read_text(encoding="utf-8") == book
    assert "| `border_crop` |" in (tmp_path / "LOG.md").read_text(encoding="utf-8")
    assert str(tmp_path) not in (tmp_path / "LOG.md").read_text(encoding="utf-8")


def test_an_unknown_trial_is_one_line(capsys):
    assert door.main(["--dataset", "a", "--external", "b", "--out", "c", "--only", "magic"]) == 2
    assert "--only magic: the trials are baseline" in capsys.readouterr().err


def save_phantoms(folder, splits, count):
    def rows(start: int) -> Dataset:
        pixels = [Picture.fromarray(draw_phantom(start + n, n % 2).image).resize((48, 48)) for n in range(count)]
        columns = {"image": pixels, "label": [(NON_COVID, COVID)[n % 2] for n in range(count)]}
        columns |= {"source": ["phantom"] * count, "patient_id": [str(start + n) for n in range(count)]}
        return Dataset.from_dict(columns).cast_column("image", Image())

    folder.mkdir()
    parts = DatasetDict({split: rows(1000 * number) for number, split in enumerate(splits)})
    for split, part in parts.items():
        part.to_parquet(folder / f"{split}.parquet")
