"""`recipes/head.yaml` against the notebook that this project grew from, in Keras, in an environment of its own."""

import json
from pathlib import Path

from head import train
from measure import prepared_phantoms, printed_by

from cxr.imaging.geometry import short_side
from cxr.schema.labels import LABELS
from cxr.training.data.dataset import XrayDataset, load
from cxr.training.data.images import image_of
from rows import inputs
from rows.record import Figure, Figures, NotMeasured, Row, Settings, Target

_HOW = (
    "it needs TensorFlow in an environment of its own: python -m venv KERAS; KERAS/bin/pip install tensorflow-cpu "
    "scipy pillow; python benchmarks/bench.py --only head_recipe --keras KERAS/bin/python"
)
_IMAGES, _EPOCHS = 160, 50


def measure(settings: Settings) -> Figures:
    """Train both once on the same images, from random weights; what is compared is the time of training alone."""
    if settings.keras is None:
        raise NotMeasured(_HOW)
    size, count = inputs.input_size(settings), 64 if settings.quick else _IMAGES
    folder = prepared_phantoms(settings.scratch, count, short_side(size))
    dataset = load(str(folder), None, size)
    epochs = 2 if settings.quick else _EPOCHS
    script, images = Path(__file__).with_name("keras_notebook.py"), _export(dataset, settings.scratch / "exported")
    command = [settings.keras, str(script), str(images), str(size), str(epochs)]
    theirs = json.loads(printed_by(command).splitlines()[-1])
    flags = ["--dataset", str(folder), "--backbone", inputs.backbone(settings), "--input_size", str(size)]
    log, seconds = train("head", flags)
    accuracy = log[0]["eval_accuracy"]
    said = f"{len(dataset.splits['train'])} phantoms, random weights, {epochs} epochs"
    return {
        "time": Figure(
            theirs["seconds"] / seconds, said=f"{said}: ours {seconds:.1f} s, Keras {theirs['seconds']:.1f} s"
        ),
        "accuracy": Figure(
            accuracy - theirs["accuracy"], said=f"ours {accuracy:.3f}, Keras {theirs['accuracy']:.3f} in its best epoch"
        ),
    }


def _export(dataset: XrayDataset, folder: Path) -> Path:
    """The images of training and validation as PNG files, a folder a class."""
    for split in ("train", "validation"):
        for number, row in enumerate(dataset.splits[split]):
            path = folder / split / LABELS[row["label"]] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image_of(row).save(path)
    return folder


ROW = Row(
    "head_recipe",
    {
        "time": Target(
            "`head` recipe, the seed's 50 epochs, time of training", "the notebook in Keras on CPU", 12.0, True
        ),
        "accuracy": Target("the same: validation accuracy minus the peer's", "the same", 0.0, True, "accuracy"),
    },
    measure,
    devices=("cpu",),
)
