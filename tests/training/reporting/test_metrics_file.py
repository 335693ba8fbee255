"""metrics.json: as its schema says, the numbers of the saved model, and what small splits cannot promise."""

import json

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from support import ROOT

from cxr.schema.set_summary import METRIC_NAMES
from cxr.statistics import metrics
from cxr.training.evaluation.scores import Scores
from cxr.training.evaluation.summary import summarize

SCHEMA = json.loads((ROOT / "docs" / "metrics.schema.json").read_text(encoding="utf-8"))
OF_A_SPLIT = {"$ref": "#/$defs/SplitSummary", "$defs": SCHEMA["$defs"]}
QUANTILES = {"NON-COVID": 0.6, "COVID": 0.7}


def faults(value, schema=SCHEMA):
    return [f"{fault.json_path}: {fault.message}" for fault in Draft202012Validator(schema).iter_errors(value)]


def scores(images=60, seed=0, label=None):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, images) if label is None else np.full(images, label)
    facts = {
        "label": labels.tolist(),
        "source": [("east", "west")[i % 2] for i in range(images)],
        "patient_id": [str(i // 3) for i in range(images)],
        "view": [("AP", "PA", None)[i % 3] for i in range(images)],
        "sex": ["F", "M", ""][:1] * images,
        "age": [(17.9, 18.0, 39.5, 60.0, 80.0, None, float("nan"))[i % 7] for i in range(images)],
        "file": [f"{i}.png" for i in range(images)],
    }
    return Scores(rng.normal(size=images) + 1.5 * labels, facts)


def test_a_finished_run_follows_the_schema(finished):
    found = json.loads((finished / "metrics.json").read_text(encoding="utf-8"))
    assert faults(found) == []


@pytest.mark.parametrize("spoil", [{"auroc": 1.2}, {"n": None}, {"surprise": 1}, {"intervals": {}}])
def test_the_schema_refuses_spoiled_metrics(finished, spoil):
    found = json.loads((finished / "metrics.json").read_text(encoding="utf-8"))
    found["test"] |= spoil
    assert faults(found)


@pytest.mark.parametrize("label", [None, 0, 1])
def test_a_summary_follows_the_schema_whatever_classes_there_are(label):
    found = summarize(scores(label=label), 0.6, QUANTILES)
    assert faults(found, OF_A_SPLIT) == []
    assert (found["auroc"] is None) == (found["intervals"]["auroc"] is None) == (label is not None)


def test_every_interval_holds_its_estimate():
    found = summarize(scores(), 0.6, QUANTILES)
    for name in METRIC_NAMES:
        low, high = found["intervals"][name]
        assert low <= found[name] <= high
    for row in found["predictive_values"]:
        for name in ("ppv", "npv"):
            assert row["intervals"][name][0] <= row[name] <= row["intervals"][name][1]


def test_subgroups_divide_the_images_and_know_what_is_unknown():
    found = summarize(scores(), 0.6, QUANTILES)["subgroups"]
    values = {by: [group["value"] for group in found if group["by"] == by] for by in ("source", "view", "sex", "age")}
    assert values["source"] == ["east", "west"]
    assert values["view"] == ["AP", "PA", "unknown"]
    assert values["sex"] == ["F"]
    assert values["age"] == ["0–17", "18–39", "60–79", "80 or more", "unknown"]
    for by in values:
        assert sum(group["n"] for group in found if group["by"] == by) == 60
    east, all_scores = found[0], scores()
    chosen = all_scores.groups("source") == "east"
    expected = metrics.compute_metrics(all_scores.probability[chosen], all_scores.labels[chosen], 0.6)
    assert {name: east[name] for name in expected} == pytest.approx(expected)


def test_patients_are_distinguished_by_source_too():
    # 20 ids with up to three images each, one or two of them of either source
    assert summarize(scores(), 0.6, QUANTILES)["patients"] == 40


def test_a_small_validation_split_guarantees_nothing(finished):
    found = json.loads((finished / "metrics.json").read_text(encoding="utf-8"))
    assert found["validation"]["n"] < 20
    assert found["conformal"]["promise"] is False
    assert "images" in found["conformal"]["reason"]
    assert "images" in found["calibration"]["reason"]
    assert found["conformal"]["quantiles"] == {"NON-COVID": 1.0, "COVID": 1.0}
    assert found["test"]["verdicts"] == {"uncertain": 1.0}


def test_the_config_carries_what_serving_needs(finished):
    config = json.loads((finished / "config.json").read_text(encoding="utf-8"))
    found = json.loads((finished / "metrics.json").read_text(encoding="utf-8"))
    assert config["conformal"].keys() == {"level", "quantiles", "calibration_images"}
    assert config["conformal"].items() <= found["conformal"].items()
    assert config["calibration"] == {key: found["calibration"][key] for key in ("temperature", "bias")}


def test_the_worst_mistakes_lie_beside_the_model_and_never_in_it(finished):
    sheets = sorted(path.name for path in (finished.parent / "worst_mistakes").iterdir())
    assert sheets
    assert set(sheets) <= {"test-false_negatives.png", "test-false_positives.png"}
    assert not list(finished.rglob("*false*"))
