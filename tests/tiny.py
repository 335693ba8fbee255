"""A tiny model in the shape of a published one."""

from pathlib import Path
from typing import NamedTuple

from transformers import ResNetConfig, ResNetForImageClassification, set_seed

from cxr.imaging.preprocess import make_processor
from cxr.schema.labels import ID2LABEL, LABEL2ID


class Published(NamedTuple):
    """A model repo on the embedded Hub, at one commit, and the folder it was published from."""

    repo_id: str
    revision: str
    folder: Path


def save_tiny(folder: Path, **config: object) -> ResNetForImageClassification:
    """A random ResNet of a few thousand weights, whose logits differ from image to image."""
    settings = {"id2label": ID2LABEL, "label2id": LABEL2ID, "operating_threshold": 0.41} | config
    set_seed(3)
    model = ResNetForImageClassification(
        ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], **settings)
    )
    model.classifier[1].weight.data *= 20
    model.save_pretrained(folder)
    make_processor(128).save_pretrained(folder)
    return model
