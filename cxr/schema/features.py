"""The columns of Contract 1 as `datasets` declares them; apart from the rest because its import takes seconds."""

import datasets

from cxr.schema.dataset import COLUMN_TYPES
from cxr.schema.labels import LABELS

_SPECIAL = {
    "image": datasets.Image(),
    "label": datasets.ClassLabel(names=LABELS),
    "boxes": datasets.List(datasets.List(datasets.Value("float32"))),
}

FEATURES = datasets.Features({name: _SPECIAL.get(kind) or datasets.Value(kind) for name, kind in COLUMN_TYPES.items()})
