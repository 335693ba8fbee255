"""The network: weights downloaded at one commit, a new two-class head, and random weights marked as such."""

from pathlib import Path

import pytest
import torch
from support import save_tiny_backbone
from transformers import ConvNextConfig, ResNetForImageClassification

from cxr.errors import UserError
from cxr.network import model as network
from cxr.schema.labels import ID2LABEL, LABEL2ID


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_backbone(tmp_path_factory.mktemp("backbone"))


def test_a_backbone_keeps_its_body_and_gets_a_head_for_two_classes(backbone):
    model, _ = network.load_pretrained(str(backbone), None, seed=0)
    before = ResNetForImageClassification.from_pretrained(backbone)
    assert model.classifier[1].out_features == 2
    assert (model.config.id2label, model.config.label2id) == (ID2LABEL, LABEL2ID)
    for name, weight in before.resnet.state_dict().items():
        torch.testing.assert_close(model.resnet.state_dict()[name], weight)


def test_a_head_with_two_classes_is_replaced_too(backbone, tmp_path):
    first, _ = network.load_pretrained(str(backbone), None, seed=0)
    torch.nn.init.constant_(first.classifier[1].weight, 7.0)
    first.save_pretrained(tmp_path)
    for name in ("preprocessor_config.json",):
        (tmp_path / name).write_bytes((backbone / name).read_bytes())
    again, _ = network.load_pretrained(str(tmp_path), None, seed=0)
    assert again.classifier[1].weight.abs().max() < 1


def test_the_seed_decides_the_head(backbone):
    heads = [network.load_pretrained(str(backbone), None, seed=seed)[0].classifier[1].weight for seed in (0, 0, 1)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_random_weights_are_marked_in_the_config(backbone):
    assert network.load_pretrained(str(backbone), None, seed=0)[0].config.random_weights is True
    assert network.make_untrained(seed=0).config.random_weights is True


def test_an_untrained_model_is_a_resnet_50():
    config = network.make_untrained(seed=0).config
    assert (list(config.depths), config.layer_type, config.num_labels) == ([3, 4, 6, 3], "bottleneck", 2)


def test_another_architecture_is_refused(backbone, tmp_path):
    for path in backbone.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    ConvNextConfig().save_pretrained(tmp_path)
    with pytest.raises(UserError, match="not a resnet"):
        network.load_pretrained(str(tmp_path), None, seed=0)


def test_damaged_weights_are_refused(backbone, tmp_path):
    for path in backbone.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(UserError, match="cannot be loaded"):
        network.load_pretrained(str(tmp_path), None, seed=0)
