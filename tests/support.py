"""Helpers for the tests of several packages: the project's root, a tiny backbone, runs that are stopped, an app."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]

Train = Callable[..., Path]


def save_tiny_backbone(folder: Path) -> Path:
    """A stand-in with random weights and ten classes, of a few thousand weights."""
    from transformers import ResNetConfig

    from cxr.network.model import save_stand_in_backbone

    tiny = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}
    save_stand_in_backbone(folder, ResNetConfig(num_labels=10, **tiny))
    return folder


def tiny_run(dataset: Path, backbone: str, out: Path) -> list[str]:
    """The command of a training run of two steps at 32 pixels, each evaluated and saved."""
    tiny = ["--input_size", "32", "--max_steps", "2", "--per_device_train_batch_size", "8", "--precision", "fp32"]
    steps = ["--eval_strategy", "steps", "--save_strategy", "steps", "--eval_steps", "1", "--save_steps", "1"]
    where = ["--dataset", str(dataset), "--backbone", backbone, "--output_dir", str(out)]
    return ["train_hf.py", *where, *tiny, *steps, "--use_cpu"]


def encode(image: Image.Image | np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    """The bytes of an image file."""
    stream = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, kind, **options)
    return stream.getvalue()


def without_precision(printed: str) -> str:
    """What a command printed, but for the line on the precision that it measured, where a machine has a choice."""
    return re.sub(r"(?m)^precision \w+: [\d.]+ times \w+ here\n", "", printed)


def flat(tree: object, where: str = "") -> dict[str, object]:
    """The leaves of nested dicts and lists by their paths, which `pytest.approx` can compare."""
    if not isinstance(tree, dict | list):
        return {where: tree}
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return {path: leaf for key, part in parts for path, leaf in flat(part, f"{where}/{key}").items()}


def stop_after_checkpoint(args: list[str], env: dict[str, str], checkpoint: Path, number: signal.Signals) -> int:
    """Start a training run, send it a signal as soon as `checkpoint` is complete, and return its exit code."""
    process = subprocess.Popen([sys.executable, *args], cwd=ROOT, env=env, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not _is_written(checkpoint / "trainer_state.json"):
        assert process.poll() is None, "the run ended before its checkpoint was there"
        assert time.monotonic() < deadline, "no checkpoint came"
        time.sleep(0.005)
    process.send_signal(number)
    return process.wait(timeout=60)


def _is_written(file: Path) -> bool:
    """Whether a JSON file is there to its end: it is seen before its first byte is."""
    try:
        return bool(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something holds, and fail if it does not in so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(
    *args: str,
    app: Path = ROOT / "app.py",
    env: dict[str, str] | None = None,
    cwd: Path = ROOT,
    end: signal.Signals = signal.SIGKILL,
) -> Iterator[str]:
    """Run the app on a free port until the block ends, by a signal; gives the address that it printed."""
    command = [sys.executable, str(app), "--port", str(free_port()), *args]
    full = os.environ | {"PYTHONPATH": str(ROOT)} | (env or {})
    process = subprocess.Popen(command, cwd=cwd, env=full, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield _address(process)
    finally:
        process.send_signal(end)
        process.communicate(timeout=30)


def _address(process: subprocess.Popen[str]) -> str:
    printed, deadline = [], time.monotonic() + 120
    for line in process.stdout:
        printed.append(line)
        if "Listening on " in line:
            return line.split()[-1]
        assert time.monotonic() < deadline, printed
    return pytest.fail("the app ended: " + "".join(printed))
