import pytest

from cxr import policy
from cxr.schema.labels import LABELS

Q = dict(zip(LABELS, (0.7, 0.6), strict=True))
"""NON-COVID is in the set up to a probability of COVID of 0.7, COVID from 0.4 on."""

NARROW = dict(zip(LABELS, (0.3, 0.2), strict=True))
"""NON-COVID up to 0.3, COVID from 0.8 on, nothing in between."""

YES, NO = "COVID-19 pattern", "no COVID-19 pattern"


@pytest.mark.parametrize(
    ("probability", "threshold", "verdict", "label"),
    [
        (0.93, 0.41, YES, "COVID"),
        (0.41, 0.41, YES, "COVID"),
        (0.40, 0.41, NO, "NON-COVID"),
        (0.60, 0.70, NO, "NON-COVID"),
        (0.0, 0.5, NO, "NON-COVID"),
        (1.0, 1.0, YES, "COVID"),
    ],
)
def test_the_threshold_itself_is_positive(probability: float, threshold: float, verdict: str, label: str):
    assert policy.verdict(probability, threshold) == verdict
    assert policy.label(probability, threshold) == label
    assert policy.why(probability, threshold) == ""


@pytest.mark.parametrize(
    ("probability", "quantiles", "classes"),
    [
        (0.2, Q, ["NON-COVID"]),
        (0.7, Q, ["NON-COVID", "COVID"]),
        (0.71, Q, ["COVID"]),
        (0.5, NARROW, []),
        (0.3, NARROW, ["NON-COVID"]),
        (1.0, dict.fromkeys(LABELS, 1.0), LABELS),
        (0.0, dict.fromkeys(LABELS, 1.0), LABELS),
    ],
)
def test_a_class_is_in_the_set_up_to_its_quantile(probability: float, quantiles: policy.Quantiles, classes: list[str]):
    assert policy.conformal_set(probability, quantiles) == classes


@pytest.mark.parametrize(
    ("probability", "threshold", "quantiles", "verdict"),
    [
        (0.9, 0.5, Q, YES),
        (0.1, 0.5, Q, NO),
        (0.5, 0.3, Q, policy.UNCERTAIN),  # both classes
        (0.35, 0.3, Q, policy.UNCERTAIN),  # only NON-COVID, against the threshold
        (0.75, 0.8, Q, policy.UNCERTAIN),  # only COVID, against the threshold
        (0.6, 0.5, NARROW, YES),  # empty: the more probable class
        (0.4, 0.5, NARROW, NO),
        (0.4, 0.35, NARROW, policy.UNCERTAIN),  # empty, and the more probable class is not the threshold's
        (0.99, 0.5, dict.fromkeys(LABELS, 1.0), policy.UNCERTAIN),  # too few calibration images
    ],
)
def test_sure_only_where_set_and_threshold_agree(
    probability: float, threshold: float, quantiles: policy.Quantiles, verdict: str
):
    assert policy.verdict(probability, threshold, quantiles) == verdict
    assert bool(policy.why(probability, threshold, quantiles)) == (verdict == policy.UNCERTAIN)


def test_the_two_kinds_of_doubt_are_told_apart():
    assert "both classes" in policy.why(0.5, 0.3, Q)
    assert "threshold" in policy.why(0.35, 0.3, Q)


@pytest.mark.parametrize("quantiles", [None, Q])
def test_what_the_gate_refuses_gets_no_class(quantiles: policy.Quantiles | None):
    assert policy.verdict(0.99, 0.5, quantiles, gate_passed=False) == policy.REFUSED
    assert "means nothing" in policy.why(0.99, 0.5, quantiles, gate_passed=False)


def test_both_numbers_are_said_and_never_contradict_the_verdict_by_rounding():
    assert policy.numbers(0.9312, 0.41) == "probability 0.93 (threshold 0.41)"
    assert policy.numbers(0.4081, 0.4099) == "probability 0.408 (threshold 0.410)"
