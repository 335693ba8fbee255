"""What stands beside an answer about its model, whatever its metrics.json holds."""

import json
from pathlib import Path

import pytest
from tiny import save_tiny

from cxr.serving import pages, record
from cxr.serving.predictor import Predictor

NONE_KNOWN = "No result on another hospital's pictures is known."


def said(folder: Path, metrics: str | bytes) -> record.Record:
    (folder / "metrics.json").write_bytes(metrics.encode() if isinstance(metrics, str) else metrics)
    return record.of(Predictor.load(str(folder)))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("record")
    save_tiny(folder)
    return folder


def test_judgement_and_external_results_are_told_as_they_stand_in_the_file(model: Path):
    shown = json.loads((Path(__file__).parents[2] / "docs/results/outside/metrics.json").read_text(encoding="utf-8"))
    found = said(model, json.dumps(shown))
    assert found.headline == f"AUROC {shown['judgement']}"
    scores = shown["external"]["ieee8023"]
    low, high = scores["intervals"]["auroc"]
    interval = f"(95 % interval {low:.2f}–{high:.2f})"
    assert found.outside == (f"Elsewhere (ieee8023): AUROC {scores['auroc']:.2f} {interval}, {scores['n']} pictures.",)
    assert found.outside[0] in pages.source(found)


def test_without_a_file_it_says_that_nothing_is_known(model: Path):
    (model / "metrics.json").unlink(missing_ok=True)
    found = record.of(Predictor.load(str(model)))
    assert found.headline == "How well it does is not known: no test result was published with it."
    assert found.outside == (NONE_KNOWN,)


DEEP = "[" * 100_000
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
    '{"judgement": 3, "external": {"a": {"auroc": ' + "9" * 400 + "}}}",
]


@pytest.mark.parametrize("metrics", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_costs_no_answer_and_claims_nothing(model: Path, metrics: str | bytes):
    assert said(model, metrics).outside == (NONE_KNOWN,)


def test_numbers_are_told_without_what_is_broken_beside_them(model: Path):
    sets = {
        "bare": {"auroc": 0.5},
        "odd": {"auroc": 0.6, "intervals": {"auroc": [0.1, "x"]}, "n": -3},
        "more": {"auroc": 0.7, "intervals": [1], "n": True},
    }
    outside = said(model, json.dumps({"external": sets})).outside
    assert outside == tuple(f"Elsewhere ({name}): AUROC {scores['auroc']:.2f}." for name, scores in sets.items())


def test_names_and_judgement_are_text_and_not_markup(model: Path):
    evil = "<script>alert(1)</script>"
    found = said(model, json.dumps({"judgement": evil * 100, "external": {evil: {"auroc": 0.5}}}))
    html = pages.source(found)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert len(html) < 3000
