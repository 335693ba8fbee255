"""The two classes, in the one order that data, weights, card and app share (both contracts)."""

from typing import Literal, get_args

Label = Literal["NON-COVID", "COVID"]

LABELS: list[Label] = [*get_args(Label)]
NON_COVID, COVID = range(2)
ID2LABEL: dict[int, str] = dict(enumerate(LABELS))
LABEL2ID: dict[str, int] = {name: index for index, name in ID2LABEL.items()}
