"""The audit finds what was planted in generated datasets, where it was planted, and nothing else."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from raw import prepare, table

from dataset_script.audit.audit import audit_dataset, choose_sample, compose_verdict
from dataset_script.audit.review import draw_audit
from dataset_script.card import describe_audit

SIZE = 80
IMAGES = 360
SPLITS = ("test", "train", "train", "test", "train", "validation")
"""Of each class's patients in turn; every patient has two images."""


def noise(rng, height=SIZE, width=SIZE):
    """An image without information: smooth clouds that differ from one to the next."""
    clouds = Image.fromarray(rng.integers(30, 200, (5, 5), dtype=np.uint8))
    return np.asarray(clouds.resize((width, height), Image.Resampling.BICUBIC)).copy()


def plant(folder, change, images=IMAGES, **columns):
    """A prepared dataset of one collection; `change(pixels, covid, rng)` plants, `columns` map (covid, rng)."""
    rows = []
    for number in range(images):
        rng, covid = np.random.default_rng(number), number % 2 == 1
        path = folder / "raw" / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(change(noise(rng), covid, rng)).save(path)
        known = {"label": "COVID" if covid else "NON-COVID", "patient_id": f"{number // 4}-{covid}"}
        split = SPLITS[number // 4 % len(SPLITS)]
        rows.append(
            {"file": path.name, "split": split} | known | {name: of(covid, rng) for name, of in columns.items()}
        )
    prepare(folder / "out", f"table={table(folder / 'raw' / 'made.csv', rows)}", image_size=64, search=False)
    return folder / "out"


def nothing(pixels, covid, rng):
    return pixels


def square(top, left):
    """A bright square, in pixels of 80, on 95 % of the COVID images."""

    def change(pixels, covid, rng):
        if covid and rng.random() < 0.95:
            pixels[top : top + 5, left : left + 5] = 255
        return pixels

    return change


def by_name(section):
    return {probe["name"]: probe for probe in section["probes"]}


def flagged(section):
    return {name for name, probe in by_name(section).items() if probe["shouts"]}


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return plant(tmp_path_factory.mktemp("clean"), nothing)


@pytest.fixture(scope="module")
def section(clean):
    return audit_dataset(clean)


def test_no_probe_of_a_clean_dataset_is_flagged(section):
    assert flagged(section) == set()
    assert section["verdict"].startswith("No probe is flagged; the highest AUROC without seeing the lungs is 0.")
    for probe in section["probes"]:
        assert probe["low"] <= probe["auroc"] <= probe["high"]
        assert 0.3 < probe["auroc"] < 0.65
        assert (probe["images"], probe["patients"]) == (120, 60)
    assert by_name(section)["source"]["auroc"] == 0.5
    assert section["lungs"] == "box"


def test_a_source_for_each_class_is_named(tmp_path):
    section = audit_dataset(plant(tmp_path, nothing, source=lambda covid, rng: "east" if covid else "west"))
    assert flagged(section) == {"source"}
    assert by_name(section)["source"]["auroc"] == 1.0
    assert "guessed from the source's name alone (AUROC 1.00)" in section["verdict"]


def test_facts_of_the_raw_file_are_judged_by_more_than_a_line(tmp_path):
    """COVID images are square and the others wider or higher: no linear rule separates them, one fact does."""

    def change(pixels, covid, rng):
        return noise(rng, *((80, 80) if covid else [(80, 84), (84, 80)][rng.integers(2)]))

    section = audit_dataset(plant(tmp_path, change))
    assert by_name(section)["file"]["auroc"] >= 0.95
    assert "file" in flagged(section)
    assert "facts of the raw file" in section["verdict"]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ((6, 6), {"border", "border_in_view", "lungs_blacked_out"}),
        ((0, 0), {"border"}),
        ((38, 13), {"lungs_blacked_out"}),
        ((38, 38), set()),
    ],
    ids=["corner", "corner that the crop cuts off", "between border and box", "where lungs are"],
)
def test_a_marker_is_found_where_it_was_planted(tmp_path, where, expected):
    section = audit_dataset(plant(tmp_path, square(*where)))
    assert flagged(section) == expected
    assert all(by_name(section)[name]["auroc"] >= 0.9 for name in expected)
    assert ("the border alone" in section["verdict"]) == ("border" in expected)
    assert ("lungs blacked out" in section["verdict"]) == ("lungs_blacked_out" in expected)


def test_masks_stand_for_the_lungs_where_every_image_has_one(tmp_path):
    out = plant(tmp_path, square(38, 13))
    covering, elsewhere = np.zeros((2, 40, 40), bool)
    covering[18:23, 5:11] = True
    elsewhere[20:30, 20:30] = True
    hidden, shown = (audit_dataset(out, masks=lambda row, mask=mask: mask) for mask in (covering, elsewhere))
    assert (hidden["lungs"], flagged(hidden)) == ("masks", set())
    assert (shown["lungs"], flagged(shown)) == ("masks", {"lungs_blacked_out"})
    some = audit_dataset(out, masks=lambda row: covering if row["label"] else None)
    assert (some["lungs"], flagged(some)) == ("box", {"lungs_blacked_out"})


def test_processes_and_repetition_change_nothing(clean, section):
    assert audit_dataset(clean, num_proc=3) == section


def test_too_few_patients_are_said_not_guessed_over(tmp_path):
    out = plant(tmp_path, nothing, images=60)
    alone = tmp_path / "test only"
    (alone / "data").mkdir(parents=True)
    for shard in (out / "data").glob("test-*"):
        shutil.copy(shard, alone / "data")
    section = audit_dataset(alone)
    assert {probe["auroc"] for probe in section["probes"]} == {None}
    assert by_name(section)["border"]["note"] == "the training split has 0 NON-COVID patients"
    assert section["verdict"].startswith("Whether the label can be guessed without the lungs could not be tested")
    assert "not tested" in describe_audit(section)
    assert draw_audit(tmp_path / "audit.png", section).stat().st_size > 5000


def test_a_wide_interval_is_no_all_clear():
    probe = {"name": "border", "auroc": 0.55, "low": 0.2, "high": 0.86, "shouts": False, "patients": 9}
    assert compose_verdict([probe]).endswith("0.55, but 9 test patients are too few to rule out 0.86.")
    assert compose_verdict([probe | {"high": 0.69}]).endswith("0.55.")


def test_the_section_names_no_file_and_no_patient_and_is_json(section):
    assert json.loads(json.dumps(section)) == section
    assert ".png" not in json.dumps(section)


def test_the_paragraph_says_all_that_was_measured(section):
    text = describe_audit(section)
    assert section["verdict"] in text
    for probe in section["probes"]:
        assert f"| {probe['what']} | {probe['auroc']:.2f} ({probe['low']:.2f}–{probe['high']:.2f}) | no |" in text
    assert f"{section['scored_on']['patients']} patients" in text


def test_ages_and_views_that_part_the_classes_are_said(tmp_path):
    columns = {
        "age": lambda covid, rng: int(rng.integers(40, 80) if covid else rng.integers(1, 15)),
        "view": lambda covid, rng: "AP Supine" if covid else "PA",
    }
    section = audit_dataset(plant(tmp_path, nothing, images=180, **columns))
    text = " ".join(section["differences"])
    assert "0 % show children, of the NON-COVID ones 100 %." in text
    assert "with a known view 100 % are AP" in text
    assert "median age" in text
    assert text in describe_audit(section).replace("\n\n", " ")


def test_no_difference_is_made_of_what_is_unknown_everywhere(section):
    assert section["differences"] == []


def test_only_the_shards_that_the_card_names_count(clean, section, tmp_path):
    copy = shutil.copytree(clean, tmp_path / "copy")
    stray = next((copy / "data").glob("train-*"))
    assert f"data/{stray.name}" in (copy / "README.md").read_text()
    shutil.copy(stray, stray.with_name("train-of-long-ago.parquet"))
    assert audit_dataset(copy) == section


def test_a_sample_takes_whole_patients_and_enough_of_each_class():
    rows = [{"label": int(n % 10 == 0), "source": "a", "patient_id": str(n // 3)} for n in range(900)]
    held = pa.Table.from_pylist(rows)
    chosen = choose_sample(held, seed=0, most=50)
    patients = {rows[position]["patient_id"] for position in chosen}
    assert chosen == [position for position, row in enumerate(rows) if row["patient_id"] in patients]
    assert 50 <= sum(rows[position]["label"] for position in chosen) <= 52
    assert len(chosen) < 200
    assert choose_sample(held, seed=0) == list(range(900))
    assert choose_sample(held, seed=1, most=50) != chosen
