"""From raw files at native size to a trained model, against the public example that decodes in every epoch."""

import json
import shutil
import sys
import time
from pathlib import Path

from measure import ROOT, printed_by

from cxr.imaging.geometry import short_side
from cxr.schema.labels import LABELS
from rows import inputs
from rows.record import Figure, Figures, Row, Settings, Target

_IMAGES, _EPOCHS = 80, 3


def measure(settings: Settings) -> Figures:
    """Each once, in processes of their own: the whole of preparing, training and all that follows."""
    size, count, batch = inputs.input_size(settings), (60 if settings.quick else _IMAGES), (8 if settings.quick else 32)
    images = inputs.native_phantoms(settings, count)
    raw = settings.scratch / "raw"
    for file, label in zip(images.files, images.labels, strict=True):
        folder = raw / LABELS[label]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.move(file, folder / file.name)
    backbone, out = inputs.backbone(settings), str(settings.scratch / "prepared")
    cpu = ["--use_cpu"] if settings.device == "cpu" else []
    source = ["--source", f"folder={raw}", "--image_size", str(short_side(size)), "--out", out]
    start = [
        "--backbone",
        backbone,
        "--method",
        "full",
        "--dataset",
        out,
        "--output_dir",
        str(settings.scratch / "run"),
    ]
    shape = ["--input_size", str(size), "--per_device_train_batch_size", str(batch), "--num_train_epochs", str(_EPOCHS)]
    script = str(Path(__file__).with_name("example_script.py"))
    theirs = ["--size", str(size), "--batch", str(batch), "--epochs", str(_EPOCHS)]
    prepared = _seconds("-m", "dataset_script", *source)
    trained = _seconds("train_hf.py", str(ROOT / "recipes" / "full.yaml"), *start, *shape, *cpu)
    example = _seconds(script, str(raw), backbone, str(settings.scratch / "example"), *theirs, *cpu)
    timings = (settings.scratch / "run" / "timings.json").read_text(encoding="utf-8")
    steps = json.loads(timings)["training_seconds"]
    said = f"{images.words}, {_EPOCHS} epochs, one run each: ours {prepared + trained:.0f} s, example {example:.0f} s"
    return {
        "all": Figure(
            example / (prepared + trained),
            said=said,
            reason=f"ours: preparation {prepared:.0f} s, training {steps:.0f} s, start and what follows it "
            f"{trained - steps:.0f} s",
        )
    }


def _seconds(*arguments: str) -> float:
    start = time.perf_counter()
    printed_by([sys.executable, *arguments])
    return time.perf_counter() - start


ROW = Row(
    "raw_files",
    {
        "all": Target(
            "raw files at native size, 3 epochs, everything included, time",
            "the public example script, which decodes in every epoch",
            7.0,
            at_least=True,
        )
    },
    measure,
)
