"""A tiny model in the shape of a published one."""

from pathlib import Path
from typing import NamedTuple

from transformers import ResNetConfig, ResNetForImageClassification, set_seed

from cxr.imaging.preprocess import make_processor
from cxr.schema.labels import ID2LABEL, LABEL2ID


def measured_heatmaps(hits: float, low: float, chance: float = 0.2) -> dict[str, object]:
    """The section `heatmaps` of a metrics.json: the pointing game, the lower end of its interval, and chance."""

    def row(value: float, ends: list[float]) -> dict[str, object]:
        intervals = {"pointing_game": ends, "evidence_inside": None}
        return {"pointing_game": value, "evidence_inside": None, "intervals": intervals}

    others = {"chance": row(chance, [chance, chance]), "usual_place": row(0.7, [0.6, 0.8])}
    found = others | {"class_activation_map": row(hits, [low, hits]), "random_weights": row(0.1, [0.0, 0.2])}
    return {"test": {"n": 265, "patients": 260} | found, "external": {}}


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
