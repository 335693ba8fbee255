"""Stopping and going on: a resumed run ends with the very same weights."""

import hashlib
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file
from support import ROOT

STEPS = ["--max_steps", "9", "--eval_steps", "2", "--save_steps", "2", "--save_total_limit", "9"]


def sha256(folder: Path) -> str:
    return hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()


def stop_after_checkpoint(args: list[str], env: dict[str, str], checkpoint: Path, number: signal.Signals) -> int:
    """Start a run, send it a signal as soon as `checkpoint` is complete, and return its exit code."""
    process = subprocess.Popen([sys.executable, *args], cwd=ROOT, env=env, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (checkpoint / "trainer_state.json").is_file():
        assert process.poll() is None, "the run ended before its checkpoint was there"
        assert time.monotonic() < deadline, "no checkpoint came"
        time.sleep(0.005)
    process.send_signal(number)
    return process.wait(timeout=60)


@pytest.fixture
def uninterrupted(run_cli, command, tmp_path) -> str:
    whole = tmp_path / "whole"
    done = run_cli([*command, *STEPS, "--output_dir", str(whole)])
    assert done.returncode == 0, done.stderr[-2000:]
    return sha256(whole)


@pytest.mark.slow
def test_killed_in_mid_epoch_and_resumed_with_workers_gives_the_same_weights(
    run_cli, command, env, tmp_path, uninterrupted
):
    run = [*command, *STEPS]
    code = stop_after_checkpoint(run, env, tmp_path / "run" / "checkpoint-2", signal.SIGKILL)
    assert code == -signal.SIGKILL
    done = run_cli([*run, "--resume_from_checkpoint", "true", "--dataloader_num_workers", "2"])
    assert done.returncode == 0, done.stderr[-2000:]
    assert sha256(tmp_path / "run") == uninterrupted


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
def test_sigterm_saves_says_how_to_go_on_and_publishes_nothing(run_cli, command, env, tmp_path, hub):
    run = [*command, "--max_steps", "100000", "--eval_steps", "50", "--save_steps", "50"]
    code = stop_after_checkpoint(run, env, tmp_path / "run" / "checkpoint-50", signal.SIGTERM)
    assert code == 143
    assert not (tmp_path / "run" / "model").exists()
    saved = sorted(int(path.name.split("-")[1]) for path in (tmp_path / "run").glob("checkpoint-*"))
    done = run_cli([*command, "--max_steps", str(saved[-1] + 1), "--resume_from_checkpoint", "true"])
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()


@pytest.mark.slow
def test_an_earlier_runs_checkpoints_are_never_overwritten_by_accident(run_cli, command, tmp_path):
    assert run_cli(command).returncode == 0
    again = run_cli(command)
    assert again.returncode == 2
    assert "--resume_from_checkpoint true" in again.stderr


@pytest.mark.slow
def test_a_checkpoint_that_was_half_written_is_passed_over(run_cli, command, tmp_path):
    assert run_cli(command).returncode == 0
    (tmp_path / "run" / "checkpoint-7").mkdir()
    done = run_cli([*command, "--max_steps", "3", "--resume_from_checkpoint", "true"])
    assert done.returncode == 0, done.stderr[-2000:]
