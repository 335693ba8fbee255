"""The facts about a model beside its answers, whatever its metrics.json holds."""

import json
from pathlib import Path

import pytest
from support import ROOT

from cxr.serving import model_info
from cxr.serving.model_info import ModelInfo
from cxr.serving.predictor import Predictor
from cxr.serving.self_check import check_on_phantoms
from cxr.serving.web.answer_card import model_source

NONE_KNOWN = "No result on images from another hospital is known."


def info_with(predictor: Predictor, metrics: str | bytes) -> ModelInfo:
    """The facts about a model with this metrics.json."""
    (predictor.pulled.folder / "metrics.json").write_bytes(metrics.encode() if isinstance(metrics, str) else metrics)
    return ModelInfo.of(predictor)


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ('{"test": {"auroc": 0.912}}', "AUROC 0.91 on the test split of its own data"),
        (
            '{"test": {"auroc": 0.9}, "external": {"b": {"auroc": 0.651}}}',
            "AUROC 0.90 on the test split of its own data, 0.65",
        ),
        ('{"judgement": "AUROC 0.97 on its own test split"}', "AUROC 0.97 on its own test split"),
        ('{"judgement": "0.97 inside, 0.65 outside: it reads the source."}', "AUROC 0.97 inside, 0.65 outside"),
        ("{}", ""),
        ("[", ""),
        ("[]", ""),
    ],
)
def test_headline_is_the_measured_one_or_none(tmp_path: Path, metrics: str, expected: str):
    (tmp_path / "metrics.json").write_text(metrics)
    headline = model_info.headline(tmp_path)
    assert headline.startswith(expected)
    assert bool(headline) == bool(expected)


def test_judgement_and_external_results_are_those_in_the_file(predictor: Predictor):
    metrics = json.loads((ROOT / "docs/results/outside/metrics.json").read_text(encoding="utf-8"))
    info = info_with(predictor, json.dumps(metrics))
    assert info.headline == f"AUROC {metrics['judgement']}"
    scores = metrics["external"]["ieee8023"]
    low, high = scores["intervals"]["auroc"]
    interval = f"(95 % interval {low:.2f}–{high:.2f})"
    assert info.external == (
        f"External data (ieee8023): AUROC {scores['auroc']:.2f} {interval}, {scores['n']} images.",
    )
    assert info.external[0] in model_source(info)


def test_without_a_file_it_says_that_nothing_is_known(predictor: Predictor):
    (predictor.pulled.folder / "metrics.json").unlink(missing_ok=True)
    info = ModelInfo.of(Predictor.load(str(predictor.pulled.folder)))
    assert info.headline == "Its performance is unknown: no test result was published with it."
    assert info.external == (NONE_KNOWN,)


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
    assert info_with(predictor, metrics).external == (NONE_KNOWN,)


@pytest.mark.parametrize("metrics", [DEEP, HUGE], ids=["deep", "huge"])
def test_a_model_with_a_broken_file_starts_and_answers(predictor: Predictor, metrics: str):
    info_with(predictor, metrics)
    reloaded = Predictor.load(str(predictor.pulled.folder))
    check_on_phantoms(reloaded)
    assert model_info.headline(reloaded.pulled.folder) == ""


def test_numbers_are_shown_without_broken_values_beside_them(predictor: Predictor):
    sets = {
        "bare": {"auroc": 0.5},
        "odd": {"auroc": 0.6, "intervals": {"auroc": [0.1, "x"]}, "n": -3},
        "more": {"auroc": 0.7, "intervals": [1], "n": True},
    }
    external = info_with(predictor, json.dumps({"external": sets})).external
    assert external == tuple(f"External data ({name}): AUROC {scores['auroc']:.2f}." for name, scores in sets.items())


def test_names_and_judgement_are_text_and_not_markup(predictor: Predictor):
    evil = "<script>alert(1)</script>"
    info = info_with(predictor, json.dumps({"judgement": evil * 100, "external": {evil: {"auroc": 0.5}}}))
    html = model_source(info)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert len(html) < 3000
