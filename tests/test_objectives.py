"""What trials minimise, on networks and losses that are known beforehand."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from transformers import ResNetConfig, ResNetForImageClassification

from experiments import objectives
from experiments.objectives import (
    Batch,
    CrossEntropy,
    GroupDRO,
    LungActivation,
    SourceAdversarial,
    group_sizes,
    source_codes,
)

SOURCES = source_codes(["nih", "cxnet", "nih", "cxnet"])
LABELS = torch.tensor([0, 1, 0, 0])
GROUPS = group_sizes(SOURCES, LABELS)


class Fixed(nn.Module):
    """A network that answers with its images' first two numbers."""

    def forward(self, images: torch.Tensor):
        return type("Output", (), {"logits": images.flatten(1)[:, :2]})


def batch(margins: list[float], progress: float = 0.0) -> Batch:
    images = torch.zeros(len(margins), 3, 1, 1)
    images[:, 1, 0, 0] = torch.tensor(margins)
    return Batch(images, LABELS[: len(margins)], SOURCES[: len(margins)], progress)


def tiny_network(features: int = 16) -> ResNetForImageClassification:
    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, features], depths=[1, 1], layer_type="basic", num_labels=2)
    return ResNetForImageClassification(config).eval()


def test_sources_and_groups_are_counted():
    assert SOURCES.tolist() == [1, 0, 1, 0]
    assert GROUPS.tolist() == [[1, 1], [2, 0]]


def test_cross_entropy_is_weighted_by_class():
    margins = [1.0, -1.0, 0.0, 2.0]
    losses = functional.cross_entropy(torch.tensor([[0.0, m] for m in margins]), LABELS, reduction="none")
    reached = CrossEntropy(torch.tensor([0.5, 3.0]), GROUPS)(Fixed(), batch(margins))
    assert reached == pytest.approx(float((losses * torch.tensor([0.5, 3, 0.5, 0.5])).mean()))


def test_group_dro_moves_weight_to_the_group_with_the_largest_loss_and_none_to_groups_without_images():
    objective = GroupDRO(torch.ones(2), GROUPS)
    hard = batch([-8.0, 8.0, -8.0, 8.0])  # the last one is wrong: cxnet, NON-COVID
    first = float(objective(Fixed(), hard))
    for _ in range(100):
        last = float(objective(Fixed(), hard))
    assert first == pytest.approx(8 / 3, rel=0.1)
    assert last == pytest.approx(8, rel=0.05)
    shares = torch.softmax(objective.logits, 0).reshape(2, 2)
    assert shares[0, 0] > 0.95
    assert shares[1, 1] == 0


def test_the_adversary_learns_the_source_and_the_network_unlearns_it():
    torch.manual_seed(0)
    network, images = tiny_network(2048), torch.rand(4, 3, 32, 32)
    first_layer = network.resnet.embedder.embedder.convolution.weight
    objective, plain = SourceAdversarial(torch.ones(2), GROUPS), CrossEntropy(torch.ones(2), GROUPS)

    def gradient(loss: torch.Tensor) -> torch.Tensor:
        first_layer.grad = None
        loss.backward()
        return first_layer.grad

    of_label = gradient(plain(network, Batch(images, LABELS, SOURCES, 0.0)))
    told = objective.adversary(network.resnet(images).pooler_output.flatten(1))
    of_source = gradient(functional.cross_entropy(told, SOURCES))
    at_first = gradient(objective(network, Batch(images, LABELS, SOURCES, 0.0)))
    at_last = gradient(objective(network, Batch(images, LABELS, SOURCES, 1.0)))
    assert torch.allclose(at_first, of_label, atol=1e-6)
    assert torch.allclose(at_last, of_label - of_source, atol=1e-4 * of_source.abs().max())
    assert objective.adversary[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize(("lungs", "outside"), [(1.0, 0.0), (0.0, 1.0)])
def test_evidence_outside_the_lungs_is_added_to_the_loss_as_a_share(monkeypatch, lungs, outside):
    monkeypatch.setattr(objectives, "lung_masks", lambda images: torch.full((len(images), 1, 64, 64), lungs))
    network, images = tiny_network(), torch.rand(4, 3, 64, 64)
    batch = Batch(images, LABELS, SOURCES, 0.0)
    plain, penalised = (kind(torch.ones(2), GROUPS)(network, batch) for kind in (CrossEntropy, LungActivation))
    assert (penalised - plain).item() == pytest.approx(outside, abs=1e-5)


def test_a_step_against_evidence_outside_the_lungs_makes_it_less(monkeypatch):
    left = torch.zeros(4, 1, 64, 64)
    left[..., :24] = 1
    monkeypatch.setattr(objectives, "lung_masks", lambda images: left)
    network, batch = tiny_network(), Batch(torch.rand(4, 3, 128, 128), LABELS, SOURCES, 0.0)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    objective, plain = LungActivation(torch.ones(2), GROUPS), CrossEntropy(torch.ones(2), GROUPS)
    shares = []
    for _ in range(20):
        loss = objective(network, batch)
        shares.append((loss - plain(network, batch)).item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert shares[-1] < shares[0] - 0.02
