"""How long commands take before they do anything, against the imports that they cannot do without."""

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from load import request_answer
from measure import ROOT, in_turn

from cxr.serving.heatmap import png
from rows import inputs
from rows.record import Figure, Figures, Row, Settings, Target, ratio


def measure_imports(settings: Settings) -> Figures:
    """Processes of their own, in turn, after one of each that fills the caches."""
    commands = {
        "cxr": ["-c", "import cxr"],
        "numpy": ["-c", "import numpy"],
        "help": ["predict.py", "--help"],
        "pass": ["-c", "pass"],
    }
    ways = {name: lambda arguments=arguments: _python_seconds(arguments) for name, arguments in commands.items()}
    in_turn(ways, 1)
    seconds = in_turn(ways, settings.rounds)
    median = {name: statistics.median(taken) for name, taken in seconds.items()}
    said = {name: f"{1000 * taken:.0f} ms" for name, taken in median.items()}
    more = [ours - bare for ours, bare in zip(seconds["help"], seconds["pass"], strict=True)]
    return {
        "import": Figure(**ratio(seconds["cxr"], seconds["numpy"]), said=f"{said['cxr']}, numpy {said['numpy']}"),
        "help": Figure(
            median["help"] - median["pass"], (min(more), max(more)), f"{said['help']}, bare Python {said['pass']}"
        ),
    }


def measure_app(settings: Settings) -> Figures:
    """From starting `python app.py` to its first answer over HTTP, and the imports alone, in turn."""
    model = inputs.published_model(settings)
    image = png(next(iter(inputs.phantoms(1))))
    parts: list[tuple[float, float]] = []

    def ours() -> float:
        listening, answered = _first_answer(model, image)
        parts.append((listening, answered - listening))
        return answered

    imports = ["-c", "import gradio, torch, transformers"]
    used = ["-c", "import gradio, torch; from transformers import AutoImageProcessor, ResNetForImageClassification"]
    _python_seconds(used)
    ways = {"ours": ours, "imports": lambda: _python_seconds(imports), "used": lambda: _python_seconds(used)}
    seconds = in_turn(ways, settings.rounds)
    listening, answering = (statistics.median(values) for values in zip(*parts, strict=True))
    median = {name: statistics.median(taken) for name, taken in seconds.items()}
    return {
        "app": Figure(
            **ratio(seconds["ours"], seconds["imports"]),
            said=f"{median['ours']:.1f} s, imports {median['imports']:.1f} s",
            reason=f"it listens after {listening:.1f} s (imports, model, self-check, page); answer {answering:.1f} s; "
            f"transformers imports what a ResNet needs when it is first used: with that, imports take "
            f"{median['used']:.1f} s",
        )
    }


def _python_seconds(arguments: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def _first_answer(model: str, image: bytes) -> tuple[float, float]:
    """Seconds from the start until the app listens, and until it has answered."""
    start = time.perf_counter()
    model = str(Path(model).resolve()) if os.path.isdir(model) else model
    command = [sys.executable, str(ROOT / "app.py"), "--model", model]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            printed = (re.match(r"Listening on (\S+)", line) for line in server.stdout or ())
            found = next(filter(None, printed), None)
            if found is None:
                raise RuntimeError(f"the app ended with code {server.wait()} before it listened")
            listening = time.perf_counter() - start
            answer = request_answer(f"{found[1].rstrip('/')}/gradio_api", image)
            if not isinstance(answer, dict):
                raise RuntimeError(f"the app gave no answer: {answer}")
            return listening, time.perf_counter() - start
        finally:
            server.terminate()


IMPORTS = Row(
    "imports",
    {
        "import": Target("`import cxr`, time", "`import numpy`", 1.3),
        "help": Target("`python predict.py --help`, seconds more than the peer", "`python -c pass`", 0.3, unit="s"),
    },
    measure_imports,
    devices=("cpu",),
)
APP = Row(
    "app",
    {
        "app": Target(
            "`python app.py`, model on disk → first answer, time", "importing gradio, torch and transformers", 1.4
        )
    },
    measure_app,
)
