"""Several processes: the same metrics on the same weights, a loss that does not double, one publication."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from support import ROOT, flat

STILL = ["--freeze_backbone", "--learning_rate", "0", "--num_train_epochs", "1", "--max_steps", "-1"]
EPOCH = ["--eval_strategy", "epoch", "--save_strategy", "epoch"]
TORCHRUN = "torch.distributed.run --standalone --nproc_per_node 2"
ACCELERATE = (
    "accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no "
    "--dynamo_backend no --main_process_port 0"
)


def metrics(folder: Path) -> dict:
    return json.loads((folder / "model" / "metrics.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_two_processes_report_what_one_reports(train_here, command, env, tmp_path):
    alone, together, repo = tmp_path / "alone", tmp_path / "together", "demo/two"
    train_here(*command, *STILL, *EPOCH, "--output_dir", alone)
    script = [*command, *STILL, *EPOCH, "--output_dir", str(together), "--push_to_hub", "--hub_model_id", repo]
    start = [sys.executable, "-m", *ACCELERATE.split(), *script]
    two = env | {"ACCELERATE_USE_CPU": "true"}
    launched = subprocess.run(start, cwd=ROOT, env=two, capture_output=True, text=True, timeout=300, check=False)
    assert launched.returncode == 0, launched.stderr[-3000:]
    one, both = metrics(alone), metrics(together)
    assert both["training"]["processes"] == 2
    for split in ("validation", "test"):
        assert flat(both[split]) == pytest.approx(flat(one[split]), abs=1e-6)
    logged = [next(e for e in m["training"]["log"] if "eval_loss" in e)["eval_loss"] for m in (one, both)]
    assert logged[0] == pytest.approx(logged[1], abs=1e-6)
    losses = [next(e for e in m["training"]["log"] if "loss" in e)["loss"] for m in (one, both)]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
    assert len([c for c in HfApi().list_repo_commits(repo) if c.title != "initial commit"]) == 1


def test_the_loss_does_not_grow_with_accumulation(train_here, command, tmp_path):
    losses = []
    for steps in ("1", "4"):
        out = tmp_path / f"accumulated-{steps}"
        train_here(*command, *STILL, *EPOCH, "--gradient_accumulation_steps", steps, "--output_dir", out)
        losses.append(next(e for e in metrics(out)["training"]["log"] if "loss" in e)["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


@pytest.mark.slow
def test_two_processes_fit_the_head_that_one_fits_stream_and_publish_the_best_seed_once(
    train_here, command, sharded, env, tmp_path
):
    repo, together = "demo/two-seeds", tmp_path / "together"
    streamed = [*command, "--dataset", str(sharded), "--streaming", "--seeds", "0,1", "--dataloader_num_workers", "2"]
    train_here(*streamed, "--output_dir", tmp_path / "alone")
    script = [*streamed, "--output_dir", str(together), "--push_to_hub", "--hub_model_id", repo]
    start = [sys.executable, "-m", *TORCHRUN.split(), *script]
    launched = subprocess.run(start, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert launched.returncode == 0, launched.stderr[-3000:]
    for seed in ("seed-0", "seed-1"):
        one, both = (metrics(folder / seed)["training"] for folder in (tmp_path / "alone", together))
        assert both["processes"] == 2
        for name, value in one["log"][0].items():
            assert both["log"][0][name] == pytest.approx(value, abs=1e-6), name
    assert len(metrics(together)["seeds"]["values"]) == 2
    assert len([c for c in HfApi().list_repo_commits(repo) if c.title != "initial commit"]) == 1
