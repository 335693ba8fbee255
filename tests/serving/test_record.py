"""What stands beside an answer about its model, whatever its metrics.json holds."""

import json
from pathlib import Path

import pytest

from cxr.serving import loading, model_info, self_check
from cxr.serving.predictor import Predictor
from cxr.serving.web import pages

NONE_KNOWN = "No result on another hospital's pictures is known."


def said(predictor: Predictor, metrics: str | bytes) -> model_info.Record:
    """The record with this metrics.json, of which the predictor keeps the headline since it was loaded."""
    folder = predictor.pulled.folder
    (folder / "metrics.json").write_bytes(metrics.encode() if isinstance(metrics, str) else metrics)
    predictor.headline = loading.headline(folder)
    return model_info.of(predictor)


def test_judgement_and_external_results_are_told_as_they_stand_in_the_file(predictor: Predictor):
    shown = json.loads((Path(__file__).parents[2] / "docs/results/outside/metrics.json").read_text(encoding="utf-8"))
    found = said(predictor, json.dumps(shown))
    assert found.headline == f"AUROC {shown['judgement']}"
    scores = shown["external"]["ieee8023"]
    low, high = scores["intervals"]["auroc"]
    interval = f"(95 % interval {low:.2f}–{high:.2f})"
    assert found.outside == (f"Elsewhere (ieee8023): AUROC {scores['auroc']:.2f} {interval}, {scores['n']} pictures.",)
    assert found.outside[0] in pages.source(found)


def test_without_a_file_it_says_that_nothing_is_known(predictor: Predictor):
    (predictor.pulled.folder / "metrics.json").unlink(missing_ok=True)
    found = model_info.of(Predictor.load(str(predictor.pulled.folder)))
    assert found.headline == "How well it does is not known: no test result was published with it."
    assert found.outside == (NONE_KNOWN,)


DEEP = "[" * 100_000
HUGE = '{"judgement": 3, "test": {"auroc": 9}, "external": {"a": {"auroc": 9}}}'.replace("9", "9" * 400)
BROKEN = [
    "",
    "no json",
    "null",
    "[]",
    "3",
    DEEP,
    b"\xff\xfe\x00",
    '{"external": null}',
    '{"external": []}',
    '{"external": {}, "test": {"auroc": null}}',
    '{"external": {"a": null, "b": 3, "c": [], "d": {}, "e": {"auroc": null}, "f": {"auroc": "0.9"}}}',
    '{"external": {"a": {"auroc": NaN}, "b": {"auroc": Infinity}, "c": {"auroc": true}, "d": {"auroc": 1e400}}}',
    HUGE,
]


@pytest.mark.parametrize("metrics", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_costs_no_answer_and_claims_nothing(predictor: Predictor, metrics: str | bytes):
    assert said(predictor, metrics).outside == (NONE_KNOWN,)


@pytest.mark.parametrize("metrics", [DEEP, HUGE], ids=["deep", "huge"])
def test_a_model_with_a_broken_file_starts_and_answers(predictor: Predictor, metrics: str):
    said(predictor, metrics)
    asked = Predictor.load(str(predictor.pulled.folder))
    self_check.check(asked)
    assert asked.headline == ""


def test_numbers_are_told_without_what_is_broken_beside_them(predictor: Predictor):
    sets = {
        "bare": {"auroc": 0.5},
        "odd": {"auroc": 0.6, "intervals": {"auroc": [0.1, "x"]}, "n": -3},
        "more": {"auroc": 0.7, "intervals": [1], "n": True},
    }
    outside = said(predictor, json.dumps({"external": sets})).outside
    assert outside == tuple(f"Elsewhere ({name}): AUROC {scores['auroc']:.2f}." for name, scores in sets.items())


def test_names_and_judgement_are_text_and_not_markup(predictor: Predictor):
    evil = "<script>alert(1)</script>"
    found = said(predictor, json.dumps({"judgement": evil * 100, "external": {evil: {"auroc": 0.5}}}))
    html = pages.source(found)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert len(html) < 3000
