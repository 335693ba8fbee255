"""A run that is stopped at every one of its steps and continued each time is the run that never was stopped."""

import hashlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr.training import run as training
from cxr.training.trainer import CovidTrainer

EPOCHS = ["--max_steps", "-1", "--num_train_epochs", "2", "--eval_strategy", "epoch", "--save_strategy", "epoch"]
RUNS = {
    "epochs": [*EPOCHS, "--save_total_limit", "1"],
    "steps": ["--max_steps", "7", "--save_steps", "2", "--metric_for_best_model", "loss"],
    "early-stopping": ["--max_steps", "7", "--early_stopping_patience", "3", "--logging_strategy", "steps"],
    "accumulated": [*EPOCHS, "--gradient_accumulation_steps", "2", "--early_stopping_patience", "1"],
}


def digests(run: Path) -> dict[str, str]:
    """The sha256 of every file of the published model."""
    files = sorted(path for path in (run / "model").rglob("*") if path.is_file())
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def terminated(monkeypatch) -> Callable[[list[str]], int]:
    """Run a command that gets SIGTERM in its first step; returns its exit code."""

    def run(command: list[str]) -> int:
        compute_loss = CovidTrainer.compute_loss

        def and_signal(trainer, model, *args, **kwargs):
            if model.training:
                os.kill(os.getpid(), signal.SIGTERM)
                monkeypatch.setattr(CovidTrainer, "compute_loss", compute_loss)
            return compute_loss(trainer, model, *args, **kwargs)

        monkeypatch.setattr(CovidTrainer, "compute_loss", and_signal)
        return training.main(command)

    return run


@pytest.mark.parametrize("flags", RUNS.values(), ids=RUNS)
def test_stopped_at_every_step(train_here, command, terminated, tmp_path, capsys, flags):
    run = [*command, "--per_device_train_batch_size", "12", "--learning_rate", "0.01", *flags]
    whole = train_here(*run, "--output_dir", tmp_path / "whole").parent
    steps = json.loads((whole / "model" / "metrics.json").read_text())["training"]["steps"]
    resumed = [*run[1:], "--output_dir", str(tmp_path / "cut"), "--resume_from_checkpoint", "true"]
    assert terminated(resumed[:-2]) == 143
    for step in range(1, steps):
        assert f"stopped at step {step} " in capsys.readouterr().out
        assert terminated(resumed) == 143
    assert not (tmp_path / "cut" / "model").exists()
    assert training.main(resumed) == 0
    assert digests(tmp_path / "cut") == digests(whole)
