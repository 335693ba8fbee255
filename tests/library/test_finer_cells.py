"""The finer class activation map: its cells, those that it shares with the network's own map, and where they lie."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import save_tiny
from transformers import ResNetConfig, ResNetForImageClassification

from cxr.network.activation_map import evidence_by_cell
from cxr.network.finer_cells import finer_map, finer_stage
from cxr.schema.labels import COVID

TINY = {"embedding_size": 8, "hidden_sizes": [8, 16, 16], "depths": [1, 1, 2]}


@pytest.mark.parametrize("layer_type", ["basic", "bottleneck"])
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("side", [64, 96, 112])
def test_every_other_cell_is_one_of_the_networks_own(layer_type: str, early: bool, side: int):
    torch.manual_seed(0)
    shape = TINY | {"layer_type": layer_type, "downsample_in_bottleneck": early}
    model = ResNetForImageClassification(ResNetConfig(**shape)).eval()
    with torch.inference_mode():
        *_, before, last = model.resnet(torch.randn(2, 3, side, side), output_hidden_states=True).hidden_states
        finer = finer_stage(model)(before)
    assert finer.shape[-1] == before.shape[-1]
    assert finer[..., ::2, ::2].numpy() == pytest.approx(last.numpy(), abs=1e-5)


def test_the_finer_stage_leaves_the_network_as_it_is_and_shares_its_weights(tmp_path: Path):
    model = save_tiny(tmp_path).eval()
    values = torch.randn(1, 3, 128, 128)
    with torch.inference_mode():
        before = model(values).logits
        stage = finer_stage(model)
        assert torch.equal(model(values).logits, before)
    own = {parameter.data_ptr() for parameter in model.parameters()}
    assert {parameter.data_ptr() for parameter in stage.parameters()} <= own


@pytest.mark.parametrize("side", [3, 4, 7, 8])
def test_the_networks_own_cells_stay_at_their_centres(side: int):
    """Evidence in one of its cells is strongest around the centre of that cell in the coarser map."""
    head = torch.tensor([[0.0], [1.0]])
    own = (side + 1) // 2
    for row in range(own):
        features = torch.zeros(1, side, side)
        features[0, 2 * row, 0] = 8.0
        finer = finer_map(features, head, COVID)
        assert finer.shape == (4 * own, 4 * own)
        assert finer.dtype == np.float32
        strongest = np.nonzero(finer.max(axis=1) == finer.max())[0]
        centre = 4 * row + 2  # between two rows of the map; what is at an edge reaches to it
        assert strongest[0] <= centre <= strongest[-1] + 1
        assert len(strongest) <= (2 if 0 < row < own - 1 else 3)


def test_the_same_evidence_everywhere_stays_as_strong():
    head, features = torch.tensor([[-1.0, 0.0], [1.0, 0.5]]), torch.full((2, 6, 6), 3.0)
    assert finer_map(features, head, COVID) == pytest.approx(np.full((12, 12), 7.5), abs=1e-6)
    assert evidence_by_cell(features, head, COVID).mean() == pytest.approx(7.5)
