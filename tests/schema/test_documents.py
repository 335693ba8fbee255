"""The models of the three JSON documents, the schemas generated from them, and files published before."""

import json
from typing import get_type_hints

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from support import ROOT

from cxr.schema.__main__ import DOCUMENTS, schemas
from cxr.schema.answer import AnswerFields, AnswerJson
from cxr.schema.document import check
from cxr.schema.labels import LABELS
from cxr.schema.report import Report
from cxr.schema.set_summary import METRIC_NAMES, GroupSummary, Intervals
from cxr.schema.verdicts import VERDICTS

RUNS = ("outside", "both", "siim")
ANSWER = {
    "verdict": "uncertain",
    "label": "COVID",
    "probability": 0.5,
    "threshold": 0.4,
    "conformal_set": ["NON-COVID", "COVID"],
    "gate_score": 3.5,
    "gate_passed": True,
    "why": "both",
    "where": "",
    "model_id": "demo/model",
    "revision": "local",
    "disclaimer": "no diagnosis",
    "notice": "",
    "warning": "",
    "computed_by": "OpenVINO f32 on cpu",
    "schema_version": 1,
}


def published(run: str, name: str) -> dict:
    return json.loads((ROOT / "docs" / "results" / run / name).read_text(encoding="utf-8"))


def committed(name: str) -> Draft202012Validator:
    schema = json.loads((ROOT / "docs" / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_committed_schemas_are_those_of_the_models(name: str):
    text = (ROOT / "docs" / f"{name}.schema.json").read_text(encoding="utf-8")
    assert text == schemas()[f"{name}.schema.json"], "run `python -m cxr.schema`"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_model_of_a_schema_is_closed_and_described(name: str):
    schema = committed(name).schema
    for part in (schema, *schema.get("$defs", {}).values()):
        assert part["additionalProperties"] is False, part["title"]
        assert part["description"], part["title"]


def test_the_metrics_are_named_in_their_order():
    keys = [key for key in get_type_hints(GroupSummary) if key in METRIC_NAMES]
    assert keys == list(METRIC_NAMES) == list(get_type_hints(Intervals))


def test_an_answer_is_as_its_schema_says():
    answer = AnswerFields(**ANSWER)
    assert answer.model_dump() == ANSWER
    assert list(answer.model_dump()) == list(ANSWER)
    with_files = ANSWER | {"heatmap": "map.png", "file": "xray.png"}
    for document in (ANSWER, with_files, ANSWER | {"conformal_set": None, "gate_score": None, "gate_passed": None}):
        committed("answer").validate(document)
        check(AnswerJson, document)


@pytest.mark.parametrize(
    "spoiled",
    [
        {"verdict": "covid"},
        {"label": "Covid"},
        {"probability": 1.01},
        {"threshold": -0.01},
        {"conformal_set": [*LABELS, "COVID"]},
        {"conformal_set": ["maybe"]},
        {"gate_passed": "yes"},
        {"model_id": ""},
        {"disclaimer": ""},
        {"heatmap": 7},
        {"schema_version": 2},
        {"surprise": 1},
    ],
)
def test_another_answer_is_not(spoiled: dict[str, object]):
    assert not committed("answer").is_valid(ANSWER | spoiled)
    with pytest.raises(ValidationError):
        check(AnswerJson, ANSWER | spoiled)


@pytest.mark.parametrize("key", [key for key in ANSWER if key != "schema_version"])
def test_no_field_of_an_answer_may_be_missing(key: str):
    incomplete = {name: value for name, value in ANSWER.items() if name != key}
    assert not committed("answer").is_valid(incomplete)
    with pytest.raises(ValidationError):
        AnswerFields(**incomplete)


def test_all_verdicts_are_allowed():
    for verdict in VERDICTS:
        committed("answer").validate(ANSWER | {"verdict": verdict})


@pytest.mark.parametrize("run", RUNS)
def test_reports_published_before_are_as_the_schema_says(run: str):
    report = published(run, "dataset_report.json")
    committed("report").validate(report)
    check(Report, report)
    committed("report").validate({key: value for key, value in report.items() if key not in ("audit", "copies")})


@pytest.mark.parametrize(
    "spoiled",
    [
        {"fingerprint": "abc"},
        {"labels": ["COVID", "NON-COVID", "other"]},
        {"images": -1},
        {"splits": {}},
        {"counts": {"clinic": {"COVID": {"train": 1, "validation": 0, "test": 0}}}},
        {"copies": "forget"},
        {"audit": {"verdict": "fine"}},
        {"surprise": 1},
    ],
)
def test_another_report_is_not(spoiled: dict[str, object]):
    report = published("both", "dataset_report.json") | spoiled
    assert not committed("report").is_valid(report)
    with pytest.raises(ValidationError):
        check(Report, report)


@pytest.mark.parametrize("run", ["outside", "both"])
def test_metrics_published_before_differ_from_the_schema_in_one_known_way(run: str):
    """An earlier version let the interval of the ECE of a few images reach beyond 1."""
    faults = list(committed("metrics").iter_errors(published(run, "metrics.json")))
    assert {fault.json_path.rsplit(".", 1)[1] for fault in faults} == {"ece"}
    assert all(fault.instance[1] > 1 for fault in faults)


def test_newer_metrics_and_an_assessment_are_as_their_schemas_say():
    committed("metrics").validate(published("siim", "metrics.json"))
    committed("assessment").validate(published("siim", "assessment.json"))
