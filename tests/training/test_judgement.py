"""The sentence of judgement: the same numbers always get the same words, and a high number alone fools nobody."""

import pytest

from cxr.training.reporting.judgement import judge


def scores(auroc: float | None, low: float = 0.0, high: float = 1.0) -> dict:
    return {"auroc": auroc, "intervals": {"auroc": None if auroc is None else [low, high]}}


def audit(**probes: float) -> dict:
    found = {"source": 0.5, "file": 0.5, "border": 0.5, "border_in_view": 0.5, "lungs_blacked_out": 0.5} | probes
    return {"probes": [{"name": name, "auroc": value, "shouts": value >= 0.7} for name, value in found.items()]}


INSIDE = scores(0.97, 0.95, 0.985)


def test_high_inside_low_outside_and_a_loud_border_is_called_reading_the_source():
    said = judge(INSIDE, {"ieee8023": scores(0.65, 0.57, 0.72)}, audit(source=1.0, border=0.89))
    assert said.startswith(
        "0.97 inside, 0.65 outside (ieee8023), 0.89 from the border alone: this model reads the source"
    )


@pytest.mark.parametrize(
    ("test", "external", "probes", "words"),
    [
        (INSIDE, {}, audit(border=0.89), "no evidence that this model reads lungs"),
        (INSIDE, {}, audit(source=1.0), "1.00 from the source's name alone: the label can be had"),
        (INSIDE, {}, audit(), "how it carries over is unknown."),
        (INSIDE, {}, None, "unknown; whether the label leaks past the lungs was not audited."),
        (INSIDE, {"a": scores(0.80, 0.75, 0.85)}, audit(), "does not carry over to other pictures, for a reason"),
        (INSIDE, {"a": scores(0.96, 0.93, 0.98)}, audit(), "no probe explains it and it holds outside as well."),
        (INSIDE, {"a": scores(0.96, 0.60, 0.99)}, audit(), "too few outside pictures to say"),
        (INSIDE, {"a": scores(0.96, 0.93, 0.98)}, audit(lungs_blacked_out=0.8), "yet this model holds outside"),
        (INSIDE, {"a": scores(0.96, 0.60, 0.99)}, audit(border=0.8), "too few outside pictures say"),
        (INSIDE, {"a": scores(0.96, 0.93, 0.98), "b": scores(0.6, 0.5, 0.7)}, audit(border=0.8), "reads the source"),
        (INSIDE, {"a": scores(None)}, audit(), "undefined outside (a): no other hospital's pictures"),
        (scores(0.62, 0.45, 0.77), {"a": scores(0.6, 0.5, 0.7)}, audit(border=0.9), "cannot be told from chance"),
        (scores(None), {}, audit(), "one class only"),
    ],
)
def test_each_constellation_of_numbers_has_its_words(test, external, probes, words):
    assert words in judge(test, external, probes)
