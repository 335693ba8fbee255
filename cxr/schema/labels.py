"""The two classes, in the one order that data, weights, card and app share (Contracts 1 and 2 of the README)."""

LABELS = ["NON-COVID", "COVID"]
NON_COVID, COVID = range(2)
ID2LABEL = dict(enumerate(LABELS))
LABEL2ID = {name: index for index, name in ID2LABEL.items()}
