"""The network: `microsoft/resnet-50` (He et al. 2016, doi 10.1109/CVPR.2016.90) with a head for two classes."""

from pathlib import Path

from safetensors import SafetensorError
from torch import nn
from transformers import ResNetConfig, ResNetForImageClassification, set_seed

from cxr import hub
from cxr.errors import UserError, one_line
from cxr.imaging.preprocess import make_processor
from cxr.schema.labels import ID2LABEL, LABEL2ID

BACKBONE = "microsoft/resnet-50"
_WEIGHTS_MISSING = "or start from random weights with --from_scratch (the card will say so)"


def load_pretrained(backbone: str, revision: str | None, seed: int) -> tuple[ResNetForImageClassification, str]:
    """Pull a backbone at one commit and give it a new two-class head; returns the model and the commit's sha.

    Raises:
        UserError: if the weights cannot be had, or are no ResNet's.
    """
    try:
        pulled = hub.pull(backbone, revision)
    except UserError as error:
        raise UserError(f"{error}; {_WEIGHTS_MISSING}") from error
    config = ResNetConfig.get_config_dict(pulled.folder)[0]
    if config.get("model_type") != "resnet":
        raise UserError(f"--backbone {backbone} is a {config.get('model_type')!r}, not a resnet; name another")
    set_seed(seed)
    try:
        model = ResNetForImageClassification.from_pretrained(
            pulled.folder, id2label=ID2LABEL, label2id=LABEL2ID, ignore_mismatched_sizes=True, use_safetensors=True
        )
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise UserError(f"--backbone {backbone} cannot be loaded: {one_line(error)}") from error
    _new_head(model)
    return model, pulled.revision


def make_untrained(seed: int) -> ResNetForImageClassification:
    """A ResNet-50 with random weights, which its config says (`random_weights`)."""
    set_seed(seed)
    return ResNetForImageClassification(ResNetConfig(id2label=ID2LABEL, label2id=LABEL2ID, random_weights=True))


def _new_head(model: ResNetForImageClassification) -> None:
    """Draw a new head even where the backbone already had two classes: its old labels mean nothing here."""
    head = nn.Linear(model.classifier[1].in_features, len(ID2LABEL))
    nn.init.normal_(head.weight, std=0.01)
    nn.init.zeros_(head.bias)
    model.classifier[1] = head


def save_stand_in_backbone(folder: Path, config: ResNetConfig | None = None) -> None:
    """Write a stand-in for `microsoft/resnet-50`: its 1,000 classes and processor, but random weights, said to be so.

    It lets the whole loop, pulling the backbone included, run where the real weights cannot be had.
    """
    set_seed(0)
    config = config or ResNetConfig(num_labels=1000)
    config.random_weights = True
    ResNetForImageClassification(config).save_pretrained(folder)
    make_processor(224).save_pretrained(folder)
