"""The card: generated from the run's own files alone, in the order of the guidelines, with no field left empty."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from jinja2 import UndefinedError

from cxr.schema.set_summary import METRIC_NAMES
from cxr.training import card
from cxr.training.finalize import source_only_accuracy
from cxr.training.reporting import model_card

SECTIONS = (
    *("Summary", "Intended use", "Out of scope", "Data", "Splits", "Training", "Results", "Subgroups"),
    *("Calibration and abstention", "Shortcuts", "Heatmaps", "Limits", "Failure cases"),
    *("Environment", "How to load it"),
)

EMPTY = re.compile(r"\bNone\b(?! of the probes)|\bnan\b|TODO|More information needed|\{\{|\{%")
"""What a hole in a card would look like."""


def facts(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def text(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    """The finished model folder, copied, so that its facts may be changed and the card written again."""
    return Path(shutil.copytree(finished, tmp_path / "model"))


def rewritten(folder: Path, **changed: object) -> str:
    """The card from facts that were changed."""
    (folder / "metrics.json").write_text(json.dumps(facts(folder) | changed), encoding="utf-8")
    model_card.write_card(folder, *model_card.read_facts(folder))
    return text(folder)


def test_the_sections_stand_in_the_order_of_the_guidelines(finished):
    headings = [line.removeprefix("## ") for line in text(finished).splitlines() if line.startswith("## ")]
    assert headings == list(SECTIONS)


def test_every_metric_is_in_the_card_as_measured_with_its_interval(finished):
    for key, name in METRIC_NAMES.items():
        scores = facts(finished)["test"]
        low, high = scores["intervals"][key]
        assert f"{scores[key]:.3f} ({low:.3f}–{high:.3f})" in text(finished), name
    front = yaml.safe_load(text(finished).split("---")[1])
    values = {m["type"]: m["value"] for m in front["model-index"][0]["results"][0]["metrics"]}
    assert values == {key: facts(finished)["test"][key] for key in METRIC_NAMES}


def test_the_card_states_the_starting_weights_and_that_the_images_are_phantoms(finished):
    assert "Trained from random weights" in text(finished)
    assert "synthetic phantoms" in text(finished)
    assert "base_model" not in text(finished).split("---")[1]


def test_nothing_in_the_card_is_left_empty(finished):
    assert not EMPTY.search(text(finished))
    assert all(
        (finished / line.split("](")[1].rstrip(")")).is_file() for line in text(finished).splitlines() if "![" in line
    )


def test_the_probes_stand_beside_the_headline(finished):
    summary = text(finished).split("## Intended use")[0]
    report = json.loads((finished / "dataset_report.json").read_text(encoding="utf-8"))
    assert len(report["audit"]["probes"]) == summary.count("a small classifier shown")
    for probe in report["audit"]["probes"]:
        assert f"{probe['auroc']:.3f} ({probe['low']:.3f}–{probe['high']:.3f})" in summary


def test_too_few_validation_images_are_reported(finished):
    assert "validation holds only 4 NON-COVID and 4 COVID images" in text(finished)


def test_several_seeds_are_reported_with_their_spread(copied):
    def scores(auroc: float) -> dict:
        return {"validation": {"auroc": auroc}, "test": {"auroc": auroc}, "external": {}}

    trained = {"values": {"0": scores(0.9), "1": scores(0.94)}, "mean": scores(0.92), "sd": scores(0.028)}
    card_text = rewritten(copied, seeds=trained | {"published": 1})
    assert "2 seeds were trained; seed 1 was chosen on validation and published" in card_text
    assert "0.920 ± 0.028 on its own test split" in card_text


def test_an_external_set_of_one_class_leaves_no_hole(copied):
    found = facts(copied)
    single = found["test"] | {"auroc": None, "auprc": None, "specificity": None, "balanced_accuracy": None}
    single |= {"n_covid": single["n"], "intervals": found["test"]["intervals"] | {"auroc": None, "specificity": None}}
    single["dataset"] = {"name": "ward", "revision": None, "fingerprint": "f" * 64}
    card_text = rewritten(copied, external={"ward": single})
    assert "undefined on ward" in card_text
    assert not EMPTY.search(card_text)


def test_a_card_field_without_a_value_fails_the_run(finished, tmp_path, monkeypatch):
    template = tmp_path / "model_card.md"
    monkeypatch.setattr(model_card, "TEMPLATE", template)
    for field in ("{{ an_unknown_field }}", "{{ model.backbone_license }}"):
        template.write_text(field, encoding="utf-8")
        with pytest.raises(UndefinedError):
            model_card.write_card(finished, *model_card.read_facts(finished))


def test_a_value_of_none_fails_the_run(copied):
    with pytest.raises(UndefinedError):
        rewritten(copied, training=facts(copied)["training"] | {"device": None})


def test_the_card_can_be_written_anew_from_the_files(finished):
    before = text(finished)
    assert card.main([str(finished)]) == 0
    assert text(finished) == before


@pytest.mark.parametrize("name", ["metrics.json", "dataset_report.json"])
def test_a_folder_without_facts_is_one_line(copied, name, capsys):
    (copied / name).write_text("{ cut off", encoding="utf-8")
    assert card.main([str(copied)]) == 2
    (copied / name).unlink()
    assert card.main([str(copied)]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert all(name in line for line in errors)


def test_a_rule_that_reads_the_source_alone_is_measured():
    counts = {
        "a": {"COVID": {"train": 9, "test": 5}, "NON-COVID": {"train": 1, "test": 0}},
        "b": {"NON-COVID": {"train": 9, "test": 4}, "COVID": {"train": 0, "test": 1}},
    }
    assert source_only_accuracy(counts) == pytest.approx(0.9)
