"""Stop work at random moments, run it again, and compare what comes out with what an undisturbed run gives.

Preparation, training with its evaluation in one and in two processes, and the publication of the model and of the
dataset are each stopped by SIGTERM and by `kill -9` in turn, so often in a row, and then left to finish. Printed are,
for each, the stops that met the work, whether every file is the same byte by byte, and how many processes were left. A
publication must have made one commit. Everything is made in a temporary folder, from phantoms and a tiny network, on
the embedded Hub.

    python benchmarks/stops.py [--times 20] [--seed 0] [--only preparation]
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SIGNALS = (signal.SIGTERM, signal.SIGKILL)
GRACE = 15.0
"""Seconds in which all processes of a stopped run must have ended."""

TRAIN = ["train_hf.py", "--input_size", "32", "--per_device_train_batch_size", "8", "--precision", "fp32", "--use_cpu"]
STEPS = ["--max_steps", "24", "--eval_strategy", "steps", "--save_strategy", "steps", "--eval_steps", "3"]
FLAGS = [*TRAIN, *STEPS, "--save_steps", "3", "--early_stopping_patience", "7"]


KINDS = ("preparation", "training", "two-ranks", "publication", "dataset-publication")


class Result(NamedTuple):
    """What stopping one kind of work so often showed."""

    stops: int
    same: bool
    left: int
    code: int


def digests(folder: Path) -> dict[str, str]:
    """The sha256 of every file that is published or trained on."""
    files = (path for path in folder.rglob("*") if path.is_file())
    kept = [path for path in files if ".cache" not in path.parts and "checkpoint-" not in str(path)]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


def run_to_end(command: Sequence[str], env: dict[str, str]) -> tuple[int, float]:
    """Run a command; its exit code and seconds."""
    start = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return code.returncode, time.monotonic() - start


def stop_once(command: Sequence[str], env: dict[str, str], after: float, number: signal.Signals) -> tuple[bool, int]:
    """Send a signal so many seconds after the start; whether the work was met, and how many processes were left."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(after)
        return False, 0
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        process.wait(60)
    deadline = time.monotonic() + GRACE
    while members(process.pid) and time.monotonic() < deadline:
        time.sleep(0.2)
    left = members(process.pid)
    for member in left:
        os.kill(member, signal.SIGKILL)
    return True, len(left)


def members(session: int) -> list[int]:
    """The living processes of a session, by their ids (Linux)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def disturb(
    first: Sequence[str], again: Callable[[], Sequence[str]], env: dict[str, str], seconds: float, times: int, seed: int
) -> tuple[int, int, int]:
    """Start, stop at random moments so often, and let it finish; stops that met the work, processes left, exit code."""
    chosen, stops, left = random.Random(seed), 0, 0
    command = first
    for number in range(times):
        met, remaining = stop_once(command, env, chosen.uniform(0.1, seconds), SIGNALS[number % len(SIGNALS)])
        stops, left, command = stops + met, left + remaining, again()
    return stops, left, run_to_end(command, env)[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Try every kind of work and print a line for each; returns 1 if one of them came out otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20, help="stops of each kind of work (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments (%(default)s)")
    parser.add_argument("--only", choices=KINDS)
    options = parser.parse_args(arguments)
    from cxr.local_hub import LocalHub, environment

    with tempfile.TemporaryDirectory() as folder, LocalHub(Path(folder) / "hub") as hub:
        env = os.environ | environment(hub.url, Path(folder) / "hf") | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        results = _try_all(Path(folder), env, options)
        results |= _publish_all(Path(folder), hub.url, env, options)
    for name, result in results.items():
        print(f"{name}: {result.stops} stops, same bytes: {result.same}, left: {result.left}, exit code {result.code}")
    return 0 if all(result.same and not result.left and not result.code for result in results.values()) else 1


def _try_all(folder: Path, env: dict[str, str], options: argparse.Namespace) -> dict[str, Result]:
    from transformers import ResNetConfig

    from cxr.network.model import save_stand_in_backbone

    backbone = folder / "backbone"
    tiny = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}
    save_stand_in_backbone(backbone, ResNetConfig(num_labels=10, **tiny))
    prepare = [sys.executable, "-m", "dataset_script", "--source", "phantom=64", "--image_size", "36"]
    prepare += ["--num_proc", "2", "--duplicates", "keep", "--out"]
    whole, cut = folder / "whole" / "phantoms", folder / "cut" / "phantoms"
    code, seconds = run_to_end([*prepare, str(whole)], env)
    if code:
        raise SystemExit("the undisturbed preparation failed")
    train = [*FLAGS, "--dataset", str(whole), "--backbone", str(backbone)]
    launch = {
        "training": [sys.executable],
        "two-ranks": [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"],
    }
    results = {}
    if options.only in (None, "preparation"):
        command = [*prepare, str(cut)]
        outcome = disturb(command, lambda: command, env, seconds, options.times, options.seed)
        results["preparation"] = Result(outcome[0], digests(cut) == digests(whole), *outcome[1:])
    for name, start in launch.items():
        if options.only in (None, name):
            results[name] = _train([*start, *train], folder / name, env, options)
    if options.only == "publication":
        run_to_end([*launch["training"], *train, "--output_dir", str(folder / "training" / "whole")], env)
    return results


def _publish_all(folder: Path, url: str, env: dict[str, str], options: argparse.Namespace) -> dict[str, Result]:
    """The model of the undisturbed training and its dataset, each to a repo that it is not in yet."""
    model, dataset = folder / "training" / "whole" / "model", folder / "whole" / "phantoms"
    push = ["--out", str(dataset), "--push_to_hub"]
    prepare = [sys.executable, "-m", "dataset_script", "--source", "phantom=64", "--image_size", "36"]
    ways = {
        "publication": ("model", [sys.executable, "-m", "cxr.training.publish", str(model)]),
        "dataset-publication": ("dataset", [*prepare, "--num_proc", "2", "--duplicates", "keep", *push]),
    }
    chosen = {name: way for name, way in ways.items() if options.only in (None, name)}
    return {name: _publish(kind, command, url, env, options) for name, (kind, command) in chosen.items()}


def _publish(kind: str, command: list[str], url: str, env: dict[str, str], options: argparse.Namespace) -> Result:
    """Same files as of an undisturbed publication, in one commit after the one that creates a repo."""
    from huggingface_hub import HfApi

    api = HfApi(url, token=env["HF_TOKEN"])

    def published(repo: str) -> list[tuple[str, str]]:
        listed = api.repo_info(repo, repo_type=kind, files_metadata=True).siblings or []
        return sorted((file.rfilename, str(file.blob_id)) for file in listed)

    code, seconds = run_to_end([*command, "demo/whole"], env)
    if code:
        raise SystemExit(f"the undisturbed publication of a {kind} failed")
    again = [*command, "demo/cut"]
    stops, left, code = disturb(again, lambda: again, env, seconds, options.times, options.seed)
    commits = len(api.list_repo_commits("demo/cut", repo_type=kind))
    whole = len(api.list_repo_commits("demo/whole", repo_type=kind))
    same = commits == whole and _without_name(published("demo/cut")) == _without_name(published("demo/whole"))
    return Result(stops, same, left, code)


def _without_name(files: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The files but for the card, which names the repo."""
    return [file for file in files if file[0] != "README.md"]


def _train(command: list[str], folder: Path, env: dict[str, str], options: argparse.Namespace) -> Result:
    """Training and evaluation: the model folder, which is what is published."""
    whole, cut = folder / "whole", folder / "cut"
    code, seconds = run_to_end([*command, "--output_dir", str(whole)], env)
    if code:
        raise SystemExit("the undisturbed training failed")
    first = [*command, "--output_dir", str(cut)]

    def again() -> list[str]:
        return (
            [*first, "--resume_from_checkpoint", "true"] if any(cut.glob("checkpoint-*/trainer_state.json")) else first
        )

    stops, left, code = disturb(first, again, env, seconds, options.times, options.seed)
    return Result(stops, digests(cut / "model") == digests(whole / "model"), left, code)


if __name__ == "__main__":
    sys.exit(main())
