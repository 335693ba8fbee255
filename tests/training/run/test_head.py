"""The head fitted to features: the one that scaling and regression give, the whole network with it, and `lp_ft`."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from huggingface_hub import snapshot_download
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from cxr.errors import UserError
from cxr.training.head import DECAYS, Features, choose


def features(count: int, seed: int) -> Features:
    """Twelve features of very different scales, of which three carry the label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    values = rng.normal(size=(count, 12))
    values[:, :3] += 0.7 * labels[:, None]
    values = values * np.logspace(-2, 2, 12) + 3
    return Features(torch.tensor(values, dtype=torch.float32), torch.tensor(labels))


def chooser(metric: str, class_weights: torch.Tensor | None) -> SimpleNamespace:
    """As much of a trainer as choosing a head needs."""

    def loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        weights = torch.ones(2) if class_weights is None else class_weights
        return (functional.cross_entropy(logits, labels, reduction="none") * weights[labels]).mean()

    arguments = SimpleNamespace(metric_for_best_model=metric)
    return SimpleNamespace(args=arguments, class_weights=class_weights, weighted_loss=loss)


@pytest.mark.parametrize("class_weights", [None, torch.tensor([0.5, 2.0])])
def test_the_head_is_the_one_that_scikit_learn_finds(class_weights):
    train, validation = features(400, 0), features(200, 1)
    head = choose(chooser("loss", class_weights), train, validation)
    decay = head.measured["head_weight_decay"]
    assert DECAYS[-1] < decay < DECAYS[0]
    scaler = StandardScaler().fit(train.values.numpy())
    weights = None if class_weights is None else class_weights[train.labels].numpy()
    theirs = LogisticRegression(C=1 / (decay * 400), tol=1e-8, max_iter=1000)
    theirs.fit(scaler.transform(train.values.numpy()), train.labels.numpy(), weights)
    margin = theirs.decision_function(scaler.transform(validation.values.numpy()))
    logits = functional.linear(validation.values, head.weight, head.bias)
    torch.testing.assert_close((logits[:, 1] - logits[:, 0]).numpy(), margin, atol=2e-2, rtol=0, check_dtype=False)


def test_the_weight_decay_is_chosen_on_validation_by_the_runs_own_criterion():
    train, validation = features(60, 2), features(200, 3)
    chosen = {metric: choose(chooser(metric, None), train, validation) for metric in ("loss", "eval_auroc")}
    assert chosen["eval_auroc"].measured["eval_auroc"] >= chosen["loss"].measured["eval_auroc"]
    assert chosen["loss"].measured["eval_loss"] <= chosen["eval_auroc"].measured["eval_loss"]


def test_a_head_is_not_fitted_to_one_class_alone():
    one_class = Features(torch.randn(20, 12), torch.ones(20, dtype=torch.int64))
    with pytest.raises(UserError, match=r"only one class.*--method full"):
        choose(chooser("loss", None), one_class, features(20, 1))


def test_head_leaves_the_backbone_and_lp_ft_starts_from_the_head(train_here, command, backbone, tmp_path):
    head = train_here(*command, "--method", "head", "--output_dir", tmp_path / "head")
    still = ["--method", "lp_ft", "--learning_rate", "0", "--output_dir", tmp_path / "lp_ft"]
    tuned = load_file(train_here(*command, *still) / "model.safetensors")
    fitted = load_file(head / "model.safetensors")
    pulled = load_file(Path(snapshot_download(backbone)) / "model.safetensors")
    for name in pulled:
        if not name.startswith("classifier"):
            assert torch.equal(fitted[name], pulled[name]), name
    assert torch.equal(fitted["classifier.1.weight"], tuned["classifier.1.weight"])
    facts, tuned_facts = (json.loads((tmp_path / n / "model/metrics.json").read_text()) for n in ("head", "lp_ft"))
    (entry,) = facts["training"]["log"]
    assert entry["eval_auroc"] == pytest.approx(facts["validation"]["auroc"], abs=1e-6)
    assert (entry["head_views"], entry["head_pictures"]) == (4, sum(c["train"] for c in counts(facts)))
    assert tuned_facts["training"]["log"][0]["eval_loss"] == entry["eval_loss"]


def counts(facts: dict) -> list[dict]:
    return list(facts["dataset"]["counts"]["phantom"].values())
