import pytest

from cxr import policy


@pytest.mark.parametrize(
    ("probability", "threshold", "verdict", "label"),
    [
        (0.93, 0.41, "COVID-19 pattern", "COVID"),
        (0.41, 0.41, "COVID-19 pattern", "COVID"),
        (0.40, 0.41, "no COVID-19 pattern", "NON-COVID"),
        (0.60, 0.70, "no COVID-19 pattern", "NON-COVID"),
        (0.0, 0.5, "no COVID-19 pattern", "NON-COVID"),
        (1.0, 1.0, "COVID-19 pattern", "COVID"),
    ],
)
def test_the_threshold_itself_is_positive(probability: float, threshold: float, verdict: str, label: str):
    assert policy.verdict(probability, threshold) == verdict
    assert policy.label(probability, threshold) == label


def test_sentence_gives_both_numbers():
    assert policy.sentence(0.9312, 0.41) == "COVID-19 pattern: probability 0.93 (threshold 0.41)"


def test_sentence_never_contradicts_its_verdict_by_rounding():
    assert policy.sentence(0.4081, 0.4099) == "no COVID-19 pattern: probability 0.408 (threshold 0.410)"
