"""Stop work at random moments, run it again, and compare what comes out with what an undisturbed run gives.

Preparation, training with its evaluation in one and in two processes, and the publication of the model and of the
dataset are each stopped by SIGTERM and by `kill -9` in turn, until so many stops have met the work. Each time it comes
to its end between two stops, and at last, its files are compared and it begins anew. Printed are, for each, the stops,
how often it came to its end, whether every file was the same byte by byte each time, and how many processes were left.
A publication must have made one commit. Everything is made in a temporary folder, from phantoms and a tiny network, on
the embedded Hub.

    python benchmarks/stops.py [--times 20] [--seed 0] [--only preparation]
"""

import argparse
import contextlib
import hashlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SIGNALS = (signal.SIGTERM, signal.SIGKILL)
MARK = "CXR_STOPPED"
"""Variable by whose value the processes of one run are known."""

GRACE = 15.0
"""Seconds in which all processes of a stopped run must have ended."""

TRAIN = ["train_hf.py", "--input_size", "32", "--per_device_train_batch_size", "8", "--precision", "fp32", "--use_cpu"]
STEPS = ["--max_steps", "24", "--eval_strategy", "steps", "--save_strategy", "steps", "--eval_steps", "3"]
FLAGS = [*TRAIN, *STEPS, "--save_steps", "3", "--early_stopping_patience", "7"]


KINDS = ("preparation", "training", "two-ranks", "publication", "dataset-publication")


class Result(NamedTuple):
    """What stopping one kind of work so often showed; `code` is the first exit code of a finished run that is not 0."""

    stops: int
    ends: int
    same: bool
    left: int
    code: int


class Work(NamedTuple):
    """Work to stop: its command as things stand, whether what came out is right, and how to clear it away."""

    command: Callable[[], Sequence[str]]
    is_same: Callable[[], bool]
    clear: Callable[[], object]
    seconds: float
    """How long it takes undisturbed."""


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


def stop_once(
    command: Sequence[str], env: dict[str, str], after: float, number: signal.Signals
) -> tuple[int | None, int]:
    """Send a signal so many seconds after the start; its exit code if it had ended before, and the processes left."""
    mark = str(uuid.uuid4())
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, cwd=ROOT, env=env | {MARK: mark}, stdout=subprocess.DEVNULL, stderr=errors)
        try:
            code = process.wait(after)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            process.wait(60)
            return None, end_all(mark)
        if code:
            errors.seek(0)
            print(*errors.readlines()[-3:], sep="", file=sys.stderr)
    return code, 0


def end_all(mark: str) -> int:
    """Kill the processes that inherited this mark and are still there after `GRACE` seconds; returns their number."""
    deadline = time.monotonic() + GRACE
    while started_by(mark) and time.monotonic() < deadline:
        time.sleep(0.2)
    return kill_all(mark)


def kill_all(mark: str) -> int:
    """Kill the processes that inherited this mark; returns their number."""
    found = started_by(mark)
    for process in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return len(found)


def started_by(mark: str) -> list[int]:
    """The living processes that inherited this mark, in whatever session they are, by their ids (Linux)."""
    variable, found = f"{MARK}={mark}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            inherited = variable in (process / "environ").read_bytes().split(b"\0")
            state = (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
        except OSError:
            continue
        if inherited and state != "Z":
            found.append(int(process.name))
    return found


def disturb(work: Work, env: dict[str, str], times: int, seed: int) -> Result:
    """Stop work at random moments until so many stops have met it; see the module's text."""
    chosen, result = random.Random(seed), Result(0, 0, True, 0, 0)
    while result.stops < times:
        moment, number = chosen.uniform(0.1, work.seconds), SIGNALS[result.stops % len(SIGNALS)]
        code, left = stop_once(work.command(), env, moment, number)
        if code is None:
            result = result._replace(stops=result.stops + 1, left=result.left + left)
        else:
            result = _ended(result, work, code)
            work.clear()
    return _ended(result, work, run_to_end(work.command(), env)[0])


def _ended(result: Result, work: Work, code: int) -> Result:
    same = result.same and work.is_same()
    return result._replace(ends=result.ends + 1, same=same, code=result.code or code)


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
        results = {}
        for name, result in itertools.chain(
            _try_all(Path(folder), env, options), _publish_all(Path(folder), hub.url, env, options)
        ):
            results[name] = result
            print(
                f"{name}: {result.stops} stops, {result.ends} ends, same bytes: {result.same}, left: {result.left}, "
                f"exit code {result.code}",
                flush=True,
            )
    return 0 if all(result.same and not result.left and not result.code for result in results.values()) else 1


def _try_all(folder: Path, env: dict[str, str], options: argparse.Namespace) -> Iterator[tuple[str, Result]]:
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
    if options.only in (None, "preparation"):
        work = Work(
            lambda: [*prepare, str(cut)],
            lambda: digests(cut) == digests(whole),
            lambda: shutil.rmtree(cut, ignore_errors=True),
            seconds,
        )
        yield "preparation", disturb(work, env, options.times, options.seed)
    for name, start in launch.items():
        if options.only in (None, name):
            yield name, _train([*start, *train], folder / name, env, options)
    if options.only == "publication":
        run_to_end([*launch["training"], *train, "--output_dir", str(folder / "training" / "whole")], env)


def _publish_all(
    folder: Path, url: str, env: dict[str, str], options: argparse.Namespace
) -> Iterator[tuple[str, Result]]:
    """The model of the undisturbed training and its dataset, each to a repo that it is not in yet."""
    model, dataset = folder / "training" / "whole" / "model", folder / "whole" / "phantoms"
    push = ["--out", str(dataset), "--push_to_hub"]
    prepare = [sys.executable, "-m", "dataset_script", "--source", "phantom=64", "--image_size", "36"]
    ways = {
        "publication": ("model", [sys.executable, "-m", "cxr.training.publish", str(model)]),
        "dataset-publication": ("dataset", [*prepare, "--num_proc", "2", "--duplicates", "keep", *push]),
    }
    for name, (kind, command) in ways.items():
        if options.only in (None, name):
            yield name, _publish(kind, command, folder, url, env, options)


def _publish(
    kind: str, command: list[str], folder: Path, url: str, env: dict[str, str], options: argparse.Namespace
) -> Result:
    """Same files as of an undisturbed publication, in one commit after the one that creates a repo."""
    from huggingface_hub import HfApi

    api, whole, cut = HfApi(url, token=env["HF_TOKEN"]), "demo/whole", ["demo/cut-0"]

    def published(repo: str) -> list[tuple[str, str]]:
        """Each file with its hash, but the card with its text, which names the repo."""
        listed = api.repo_info(repo, repo_type=kind, files_metadata=True).siblings or []
        files = {file.rfilename: str(file.blob_id) for file in listed}
        card = api.hf_hub_download(repo, "README.md", repo_type=kind, cache_dir=folder / "cards")
        files["README.md"] = Path(card).read_text(encoding="utf-8").replace(repo, "")
        return sorted(files.items())

    def is_same() -> bool:
        commits = [len(api.list_repo_commits(repo, repo_type=kind)) for repo in (whole, cut[-1])]
        return commits[0] == commits[1] and published(cut[-1]) == published(whole)

    code, seconds = run_to_end([*command, whole], env)
    if code:
        raise SystemExit(f"the undisturbed publication of a {kind} failed")
    work = Work(lambda: [*command, cut[-1]], is_same, lambda: cut.append(f"demo/cut-{len(cut)}"), seconds)
    return disturb(work, env, options.times, options.seed)


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

    model = whole / "model"
    work = Work(
        again, lambda: digests(cut / "model") == digests(model), lambda: shutil.rmtree(cut, ignore_errors=True), seconds
    )
    return disturb(work, env, options.times, options.seed)


if __name__ == "__main__":
    sys.exit(main())
