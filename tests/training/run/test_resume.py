"""Stopping and going on: a resumed run ends with the very same weights."""

import hashlib
import json
import shutil
import signal
from pathlib import Path

import pytest
from safetensors.torch import load_file
from support import stop_after_checkpoint

from cxr.training.run import main

STEPS = ["--max_steps", "9", "--eval_steps", "2", "--save_steps", "2", "--save_total_limit", "9"]


def sha256(folder: Path) -> str:
    return hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.slow
def test_killed_in_mid_epoch_and_resumed_with_workers_gives_the_same_weights(train_here, command, env, tmp_path):
    whole = train_here(*command, *STEPS, "--output_dir", tmp_path / "whole")
    run = [*command, *STEPS]
    code = stop_after_checkpoint(run, env, tmp_path / "run" / "checkpoint-2", signal.SIGKILL)
    assert code == -signal.SIGKILL
    resumed = train_here(*run, "--resume_from_checkpoint", "true", "--dataloader_num_workers", "2")
    assert sha256(resumed.parent) == sha256(whole.parent)


WAYS = {
    "streamed": ["--streaming", "--shuffle_buffer", "10", "--dataloader_num_workers", "2"],
    "accumulated": ["--gradient_accumulation_steps", "2", "--method", "full"],
    "compiled": ["--torch_compile_backend", "aot_eager", "--freeze_backbone"],
}


@pytest.mark.slow
@pytest.mark.parametrize("flags", WAYS.values(), ids=WAYS)
def test_what_is_left_of_a_killed_run_leads_to_the_same_weights(train_here, command, sharded, tmp_path, flags):
    """As a kill between two steps leaves it: checkpoints up to the middle of an epoch, and no model."""
    run = [*command, "--dataset", sharded, *STEPS, *flags]
    whole = train_here(*run)
    before = sha256(whole.parent)
    assert not [name for name in load_file(whole / "model.safetensors") if "_orig_mod" in name]
    shutil.rmtree(whole)
    for later in (4, 6, 8, 9):
        shutil.rmtree(whole.parent / f"checkpoint-{later}", ignore_errors=True)
    train_here(*run, "--resume_from_checkpoint", "true")
    assert sha256(whole.parent) == before


@pytest.mark.slow
def test_sigterm_saves_prints_how_to_continue_and_publishes_nothing(train_here, command, env, tmp_path):
    run = [*command, "--max_steps", "100000", "--eval_steps", "5", "--save_steps", "5"]
    code = stop_after_checkpoint(run, env, tmp_path / "run" / "checkpoint-5", signal.SIGTERM)
    assert code == 143
    assert not (tmp_path / "run" / "model").exists()
    saved = sorted(int(path.name.split("-")[1]) for path in (tmp_path / "run").glob("checkpoint-*"))
    model = train_here(*command, "--max_steps", saved[-1] + 1, "--resume_from_checkpoint", "true")
    assert (model / "model.safetensors").is_file()


def test_an_earlier_runs_checkpoints_are_never_overwritten_by_accident(train_here, command, capsys):
    train_here(*command)
    capsys.readouterr()
    assert main(command[1:]) == 2
    assert "--resume_from_checkpoint true" in capsys.readouterr().err


def test_a_checkpoint_that_was_half_written_is_passed_over(train_here, command, tmp_path, capsys):
    """Killed before its last file, or while that was being written: empty at first, then without its end."""
    folder = train_here(*command).parent
    whole = (folder / "checkpoint-2" / "trainer_state.json").read_text(encoding="utf-8")
    for step, written in (("7", None), ("8", ""), ("9", whole[:-20])):
        half = folder / f"checkpoint-{step}"
        half.mkdir()
        if written is not None:
            (half / "trainer_state.json").write_text(written, encoding="utf-8")
        assert main([*command[1:], "--resume_from_checkpoint", str(half)]) == 2
        assert f"{half} is no complete checkpoint:" in capsys.readouterr().err
    train_here(*command, "--max_steps", "3", "--resume_from_checkpoint", "true")
    assert json.loads((folder / "model" / "metrics.json").read_text(encoding="utf-8"))["training"]["steps"] == 3
