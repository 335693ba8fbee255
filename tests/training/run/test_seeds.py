"""Several seeds: each trained and evaluated once, the spread reported, the best on validation published."""

import json
from pathlib import Path

import pytest

from cxr.errors import UserError
from cxr.schema.set_summary import METRIC_NAMES
from cxr.training.arguments import parse
from cxr.training.run import checkpoint_to_resume
from cxr.training.seeds import FINISHED, choose, spread


def summary(value: float) -> dict:
    return dict.fromkeys(METRIC_NAMES, value) | {"n": 9, "brier": 1 - value}


def facts(value: float, outside: float | None) -> dict:
    return {"validation": summary(value), "test": summary(value), "external": {"clinic": summary(outside or 0)}} | {
        "external": {"clinic": summary(0.5) | {"auroc": outside}}
    }


def test_the_spread_is_mean_and_standard_deviation_over_the_seeds():
    found = spread({"0": facts(0.5, 0.6), "07": facts(0.9, None)}, published=7)
    assert list(found["values"]) == ["0", "7"]
    assert found["values"]["7"]["test"]["auroc"] == 0.9
    assert found["mean"]["test"]["auroc"] == pytest.approx(0.7)
    assert found["sd"]["test"]["auroc"] == pytest.approx(0.08**0.5)
    assert found["mean"]["external"]["clinic"]["auroc"] is None
    assert found["sd"]["external"]["clinic"]["accuracy"] == 0
    assert "n" not in found["mean"]["test"]
    assert spread({"3": facts(0.5, 0.6)}, published=3)["sd"]["test"]["auroc"] is None


def test_the_best_is_chosen_on_validation_by_the_runs_criterion():
    validation = {"0": {"auroc": 0.8, "brier": 0.1}, "1": {"auroc": 0.9, "brier": 0.2}, "2": {"auroc": 0.9, "brier": 0}}
    assert choose(validation, "eval_auroc") == "1"
    assert choose(validation, "loss") == "2"


def test_seeds_are_trained_reported_and_resumed(train_here, command, tmp_path):
    run = [*command, "--method", "head", "--seeds", "0,1"]
    model = train_here(*run)
    folders = {seed: tmp_path / "run" / f"seed-{seed}" / "model" for seed in (0, 1)}
    metrics = {seed: json.loads((folder / "metrics.json").read_text()) for seed, folder in folders.items()}
    published = json.loads((model / "metrics.json").read_text())["seeds"]
    best = max((0, 1), key=lambda seed: metrics[seed]["validation"]["auroc"])
    assert published["published"] == best
    for seed in (0, 1):
        assert published["values"][str(seed)]["test"]["auroc"] == metrics[seed]["test"]["auroc"]
        assert metrics[seed]["training"]["seed"] == seed
    assert weights(model) == weights(folders[best]) != weights(folders[1 - best])
    alone = train_here(*command, "--method", "head", "--seed", "1", "--output_dir", tmp_path / "alone")
    assert weights(alone) == weights(folders[1])
    before = (folders[0] / "model.safetensors").stat().st_mtime_ns, weights(folders[1])
    (tmp_path / "run" / "seed-1" / FINISHED).unlink()
    train_here(*run, "--resume_from_checkpoint", "true")
    assert ((folders[0] / "model.safetensors").stat().st_mtime_ns, weights(folders[1])) == before
    with pytest.raises(UserError, match="holds seeds of an earlier run"):
        checkpoint_to_resume(parse(run[1:]))


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()
