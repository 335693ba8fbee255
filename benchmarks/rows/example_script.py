"""The way of transformers' public example for image classification: every image is decoded again in every epoch.

As `run_image_classification.py` does it, with Pillow in place of torchvision: files listed once, a transform that
opens, converts to RGB, crops at random and mirrors for training, resizes and crops the centre for evaluation, and a
Trainer with its defaults that evaluates and saves after every epoch. `FOLDER` holds a folder a class.

    python example_script.py FOLDER BACKBONE OUT --size 224 --batch 32 --epochs 3
"""

import argparse
import math
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset
from transformers import AutoImageProcessor, AutoModelForImageClassification, Trainer, TrainingArguments, set_seed
from transformers.utils import logging

_HELD_OUT = 0.3
"""As much as this project keeps for validation and test: both train on about as many images."""


class Files(Dataset):
    """Image files with the number of their class."""

    def __init__(self, files: list[tuple[Path, int]], processor: object, size: int, is_training: bool):
        self.files, self.size, self.is_training = files, size, is_training
        self.mean, self.deviation = (
            np.array(values, np.float32) for values in (processor.image_mean, processor.image_std)
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> dict[str, object]:
        path, label = self.files[index]
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        image = self._varied(image) if self.is_training else self._centre(image)
        values = (np.asarray(image, np.float32) / 255 - self.mean) / self.deviation
        return {"pixel_values": torch.from_numpy(values).permute(2, 0, 1), "labels": label}

    def _varied(self, image: Image.Image) -> Image.Image:
        """torchvision's RandomResizedCrop and RandomHorizontalFlip."""
        area = image.width * image.height * random.uniform(0.08, 1)
        shape = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        width = min(image.width, math.sqrt(area * shape))
        height = min(image.height, math.sqrt(area / shape))
        left, top = random.uniform(0, image.width - width), random.uniform(0, image.height - height)
        box = (left, top, left + width, top + height)
        image = image.resize((self.size, self.size), Image.Resampling.BILINEAR, box)
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else image

    def _centre(self, image: Image.Image) -> Image.Image:
        """torchvision's Resize and CenterCrop."""
        scale = self.size / min(image.size)
        width, height = (round(side * scale) for side in image.size)
        left, top = (width - self.size) // 2, (height - self.size) // 2
        resized = image.resize((width, height), Image.Resampling.BILINEAR)
        return resized.crop((left, top, left + self.size, top + self.size))


def main() -> None:
    """Train, evaluate and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("folder", "backbone", "out"):
        parser.add_argument(name, type=Path)
    for name in ("size", "batch", "epochs"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--use_cpu", action="store_true")
    options = parser.parse_args()
    logging.set_verbosity_error()
    set_seed(42)
    classes = sorted(path.name for path in options.folder.iterdir())
    files = [
        (path, number) for number, name in enumerate(classes) for path in sorted((options.folder / name).iterdir())
    ]
    random.shuffle(files)
    held_out = int(_HELD_OUT * len(files))
    processor = AutoImageProcessor.from_pretrained(options.backbone, backend="pil")
    model = AutoModelForImageClassification.from_pretrained(
        options.backbone, num_labels=len(classes), ignore_mismatched_sizes=True
    )
    every_epoch = {"eval_strategy": "epoch", "save_strategy": "epoch", "load_best_model_at_end": True}
    batches = {f"per_device_{kind}_batch_size": options.batch for kind in ("train", "eval")}
    quiet = {"report_to": "none", "disable_tqdm": True, "remove_unused_columns": False}
    args = TrainingArguments(
        str(options.out), num_train_epochs=options.epochs, use_cpu=options.use_cpu, **every_epoch, **batches, **quiet
    )
    trainer = Trainer(
        model=model,
        args=args,
        train_dataset=Files(files[held_out:], processor, options.size, is_training=True),
        eval_dataset=Files(files[:held_out], processor, options.size, is_training=False),
    )
    trainer.train()
    trainer.save_model()
    trainer.evaluate()


if __name__ == "__main__":
    main()
