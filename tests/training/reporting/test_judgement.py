"""The sentence of judgement: the same numbers always give the same words, and a high score alone is never enough."""

import pytest

from cxr.training.reporting.judgement import judge


def scores(auroc: float | None, low: float = 0.0, high: float = 1.0) -> dict:
    return {"auroc": auroc, "intervals": {"auroc": None if auroc is None else [low, high]}}


def audit(**probes: float) -> dict:
    values = {"source": 0.5, "file": 0.5, "border": 0.5, "border_in_view": 0.5, "lungs_blacked_out": 0.5} | probes
    found = [
        {"name": name, "auroc": value, "high": value + 0.03, "shouts": value >= 0.7} for name, value in values.items()
    ]
    return {"probes": found}


TEST = scores(0.97, 0.95, 0.985)


def test_a_high_test_score_a_low_external_one_and_a_flagged_border_mean_that_the_source_is_recognized():
    sentence = judge(TEST, {"ieee8023": scores(0.65, 0.57, 0.72)}, audit(source=1.0, border=0.89))
    assert sentence == (
        "AUROC 0.97 on its own test split, 0.65 on ieee8023, 0.89 for a small classifier shown the border alone: this "
        "model recognizes the source of an image, such as its marks and borders, rather than the disease."
    )


def test_a_run_without_an_external_set():
    assert judge(TEST, {}, audit()) == (
        "AUROC 0.97 on its own test split; not yet evaluated on data from another hospital."
    )


@pytest.mark.parametrize(
    ("test", "external", "probes", "words"),
    [
        (TEST, {}, audit(border=0.93), "no evidence that this model reads lungs"),
        (TEST, {}, audit(source=1.0), "1.00 for a small classifier shown the source's name alone: the label can be"),
        (TEST, {}, None, "another hospital; whether the label can be predicted without the lungs was not audited."),
        (TEST, {"a": scores(0.80, 0.75, 0.85)}, audit(), "does not generalize to external data, for a reason"),
        (TEST, {"a": scores(0.96, 0.93, 0.98)}, audit(), "performs as well on external data, and no probe explains"),
        (TEST, {"a": scores(0.96, 0.60, 0.99)}, audit(), "too few external images to say whether it generalizes."),
        (TEST, {"a": scores(0.96, 0.93, 0.98)}, audit(lungs_blacked_out=0.8), "yet this model performs as well"),
        (TEST, {"a": scores(0.96, 0.60, 0.99)}, audit(border=0.8), "too few external images to say whether this model"),
        (TEST, {"a": scores(0.96, 0.93, 0.98), "b": scores(0.6, 0.5, 0.7)}, audit(file=0.8), "recognizes the source"),
        (
            TEST,
            {"a": scores(0.6, 0.5, 0.7)},
            audit(border=0.8),
            "it does not generalize to external data, and the label",
        ),
        (
            TEST,
            {},
            audit(border=0.85),
            "border alone, but not as well; not yet evaluated on data from another hospital.",
        ),
        (TEST, {}, audit(border=0.85, source=0.9), "no evidence that this model reads lungs"),
        (TEST, {"a": scores(None)}, audit(), "undefined on a: no external set holds both classes"),
        (scores(0.62, 0.45, 0.77), {"a": scores(0.6, 0.5, 0.7)}, audit(border=0.9), "be distinguished from chance"),
        (scores(None), {}, audit(), "only one class"),
    ],
)
def test_each_combination_of_numbers_has_its_words(test, external, probes, words):
    assert words in judge(test, external, probes)
