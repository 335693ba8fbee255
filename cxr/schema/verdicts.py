"""What every answer says in words: one of four verdicts, and that it is no diagnosis."""

from typing import Literal, get_args

from cxr.schema.labels import COVID, NON_COVID

Verdict = Literal["COVID-19 pattern", "no COVID-19 pattern", "uncertain", "not an X-ray like those it learned from"]

POSITIVE, NEGATIVE, UNCERTAIN, REFUSED = VERDICTS = get_args(Verdict)
OF_CLASS = {COVID: POSITIVE, NON_COVID: NEGATIVE}

DISCLAIMER = "Research software, not a diagnosis and not a medical device."
