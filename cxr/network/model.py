"""The network: `microsoft/resnet-50` (He et al. 2016, doi 10.1109/CVPR.2016.90) with a head for two classes."""

from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError
from torch import nn
from transformers import ResNetConfig, ResNetForImageClassification, set_seed

from cxr import hub
from cxr.errors import UserError, one_line
from cxr.imaging.preprocess import make_processor
from cxr.network.model_folder import NotAResNetError, load_network, read_config
from cxr.schema.labels import ID2LABEL, LABEL2ID

BACKBONE = "microsoft/resnet-50"
_WEIGHTS_MISSING = "or start from random weights with --from_scratch (the card then states it)"


class PretrainedModel(NamedTuple):
    """A backbone with a new head, and the full sha of the commit that its weights come from."""

    model: ResNetForImageClassification
    revision: str


def load_pretrained(backbone: str, revision: str | None, seed: int) -> PretrainedModel:
    """Download a backbone at one commit and give it a new two-class head.

    Raises:
        UserError: if the weights cannot be downloaded or read, or are not those of a ResNet.
    """
    try:
        pulled = hub.pull(backbone, revision)
    except UserError as error:
        raise UserError(f"{error}; {_WEIGHTS_MISSING}") from error
    set_seed(seed)
    try:
        model = load_network(pulled.folder, read_config(pulled.folder), new_head=True)
    except NotAResNetError as error:
        raise UserError(f"--backbone {backbone} is a {str(error)!r}, not a resnet; choose another") from error
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise UserError(f"--backbone {backbone} cannot be loaded: {one_line(error)}") from error
    _new_head(model)
    return PretrainedModel(model, pulled.revision)


def make_untrained(seed: int) -> ResNetForImageClassification:
    """A ResNet-50 with random weights, marked in its config by `random_weights`."""
    set_seed(seed)
    settings = {"id2label": ID2LABEL, "label2id": LABEL2ID, "random_weights": True}
    return ResNetForImageClassification(ResNetConfig.from_dict(settings))


def linear_head(model: nn.Module) -> nn.Linear:
    """The last layer of a ResNet: pooled features (C,) → logits (K,)."""
    head = model.get_submodule("classifier.1")
    if not isinstance(head, nn.Linear):
        raise TypeError(f"the head is a {type(head).__name__}, not linear")
    return head


def _new_head(model: ResNetForImageClassification) -> None:
    """Replace the head even where the backbone has two classes already: its labels mean something else."""
    head = nn.Linear(linear_head(model).in_features, len(ID2LABEL))
    nn.init.normal_(head.weight, std=0.01)
    nn.init.zeros_(head.bias)
    model.set_submodule("classifier.1", head)


def save_stand_in_backbone(folder: Path, config: ResNetConfig | None = None) -> None:
    """Write a stand-in for `microsoft/resnet-50`: its 1,000 classes and processor, with random weights marked as such.

    With it the whole loop, download of the backbone included, runs where the real weights are out of reach.
    """
    set_seed(0)
    config = config or ResNetConfig.from_dict({"num_labels": 1000})
    config.random_weights = True
    ResNetForImageClassification(config).save_pretrained(folder)
    make_processor(224).save_pretrained(folder)
