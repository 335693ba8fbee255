"""What every answer says in words: one of four verdicts, and that it is no diagnosis."""

from typing import Literal, get_args

from cxr.schema.labels import COVID, NON_COVID

Verdict = Literal["COVID-19 pattern", "no COVID-19 pattern", "uncertain", "not an X-ray like those it learned from"]

VERDICTS: tuple[Verdict, Verdict, Verdict, Verdict] = get_args(Verdict)
POSITIVE, NEGATIVE, UNCERTAIN, REFUSED = VERDICTS

OF_CLASS: dict[int, Verdict] = {COVID: POSITIVE, NON_COVID: NEGATIVE}

DISCLAIMER = "Research software, not a diagnosis and not a medical device."
