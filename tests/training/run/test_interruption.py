"""A run that is stopped at every one of its steps and continued each time is the run that never was stopped."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState
from stops import MARK, kill_all, started_by
from support import ROOT, free_port, wait_until
from torch.multiprocessing import start_processes

from cxr.training import run as training
from cxr.training.trainer import CovidTrainer

EPOCHS = ["--max_steps", "-1", "--num_train_epochs", "2", "--eval_strategy", "epoch", "--save_strategy", "epoch"]
EARLY = ["--early_stopping_patience", "1", "--learning_rate", "0"]
QUICK = {
    "early-stopping": ["--max_steps", "7", "--per_device_train_batch_size", "16", *EARLY],
    "epochs": [*EPOCHS, "--gradient_accumulation_steps", "2", "--save_total_limit", "1"],
}
MORE = {
    "some-saved": ["--max_steps", "5", "--save_steps", "2", "--metric_for_best_model", "loss"],
    "never-saved": [*EPOCHS, "--save_strategy", "no", "--load_best_model_at_end", "false"],
    "best-saved": ["--max_steps", "4", "--save_strategy", "best", "--eval_steps", "2"],
}
RUNS = [
    *(pytest.param(flags, id=name) for name, flags in QUICK.items()),
    *(pytest.param(flags, id=name, marks=pytest.mark.slow) for name, flags in MORE.items()),
]


def digests(run: Path) -> dict[str, str]:
    """The sha256 of every file of the published model."""
    files = sorted(path for path in (run / "model").rglob("*") if path.is_file())
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def launch_two(command: list[str], terminated_rank: int | None = None) -> list[int]:
    """Run a command in two forked processes; one may get SIGTERM in its first step. Returns their exit codes."""
    port = str(free_port())
    with tempfile.TemporaryDirectory() as folder:

        def rank(number: int) -> None:
            os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": "2"}
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            AcceleratorState._reset_state(reset_partial_state=True)  # this process has trained alone before
            if number == terminated_rank:
                send_sigterm_in_the_first_step(pytest.MonkeyPatch())
            Path(folder, str(number)).write_text(str(training.main(command)))

        start_processes(rank, nprocs=2, start_method="fork")
        return [int(Path(folder, number).read_text()) for number in ("0", "1")]


def send_sigterm_in_the_first_step(patch: pytest.MonkeyPatch) -> None:
    compute_loss = CovidTrainer.compute_loss

    def and_signal(trainer, model, *args, **kwargs):
        if model.training:
            os.kill(os.getpid(), signal.SIGTERM)
            patch.setattr(CovidTrainer, "compute_loss", compute_loss)
        return compute_loss(trainer, model, *args, **kwargs)

    patch.setattr(CovidTrainer, "compute_loss", and_signal)


@pytest.fixture
def terminated(monkeypatch) -> Callable[[list[str]], int]:
    """Run a command that gets SIGTERM in its first step; returns its exit code."""

    def run(command: list[str]) -> int:
        send_sigterm_in_the_first_step(monkeypatch)
        return training.main(command)

    return run


def steps(run: Path) -> int:
    return json.loads((run / "model" / "metrics.json").read_text(encoding="utf-8"))["training"]["steps"]


@pytest.mark.parametrize("flags", RUNS)
def test_stopped_at_every_step(train_here, command, terminated, tmp_path, capsys, flags):
    run = [*command, "--per_device_train_batch_size", "12", *flags]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train_here(*run, "--output_dir", whole)
    assert steps(whole) == (2 if "--early_stopping_patience" in flags else steps(whole))
    resumed = [*run[1:], "--output_dir", str(cut), "--resume_from_checkpoint", "true"]
    assert terminated(resumed[:-2]) == 143
    for step in range(1, steps(whole)):
        assert f"stopped at step {step} " in capsys.readouterr().out
        assert terminated(resumed) == 143
    assert not (cut / "model").exists()
    assert training.main(resumed) == 0
    assert digests(cut) == digests(whole)


def test_killed_after_its_last_step_it_takes_no_other(train_here, command, tmp_path):
    """In the middle of an epoch, and in another folder than before."""
    run = [*command, "--max_steps", "4", "--per_device_train_batch_size", "16"]
    train_here(*run, "--output_dir", tmp_path / "whole")
    before = digests(tmp_path / "whole")
    (tmp_path / "whole").rename(tmp_path / "moved")
    shutil.rmtree(tmp_path / "moved" / "model")
    train_here(*run, "--output_dir", tmp_path / "moved", "--resume_from_checkpoint", "true")
    assert digests(tmp_path / "moved") == before


@pytest.mark.slow
def test_two_processes_stop_together_when_one_gets_the_signal(command, tmp_path):
    run = [*command[1:], "--max_steps", "4", "--per_device_train_batch_size", "8", "--output_dir"]
    resumed = [*run, str(tmp_path / "cut"), "--resume_from_checkpoint", "true"]
    assert launch_two([*run, str(tmp_path / "whole")]) == [0, 0]
    assert launch_two(resumed[:-2], terminated_rank=1) == [143, 143]
    assert launch_two(resumed, terminated_rank=0) == [143, 143]
    assert launch_two(resumed) == [0, 0]
    assert digests(tmp_path / "cut") == digests(tmp_path / "whole")


LAUNCHERS = {
    "accelerate": (
        [str(Path(sys.executable).with_name("accelerate")), "launch", "--cpu", "--num_processes", "1"],
        signal.SIGTERM,
    ),
    "torchrun": (["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"], signal.SIGKILL),
}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_training_saves_its_checkpoint_and_ends_when_its_launcher_has_ended(launcher, command, env, tmp_path):
    launch, number = LAUNCHERS[launcher]
    mark = str(tmp_path)
    run = [sys.executable, *launch, *command, "--max_steps", "5000", "--eval_steps", "5000", "--save_steps", "5000"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(run, cwd=ROOT, env=env | {MARK: mark}, stdout=log)
    try:
        wait_until(lambda: "loss" in (tmp_path / "log").read_text(), 240)
        process.send_signal(number)
        process.wait()
        wait_until(lambda: not started_by(mark))
    finally:
        kill_all(mark)
    (checkpoint,) = (tmp_path / "run").glob("checkpoint-*")
    assert (checkpoint / "trainer_state.json").is_file()
