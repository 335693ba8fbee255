"""How the code is laid out, and how far one has to read: modules in each folder, lines of each file, hops of a journey.

Three journeys are traced in small runs: `dataset` (image file to Parquet row: a preparation with its audit), `training`
(recipe to model card: one epoch) and `answer` (upload to JSON: one request to the app). Files are the modules in which
a function runs; a hop is a pair of modules of which one calls the other. A call through a library counts for the
nearest caller in the project. Imports are not counted.

    python benchmarks/structure.py [JOURNEY ...] [--root CHECKOUT] [--list]
"""

import argparse
import contextlib
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType

ROOT = Path(__file__).resolve().parents[1]
MEASURED = ("cxr", "dataset_script", "train_hf.py", "app.py", "predict.py")
COUNTED = (*MEASURED, "demo.py", "experiments", "benchmarks", "tests")
_RESULT = "RESULT "
_SMALL = ("--input_size", "64", "--num_train_epochs", "1", "--precision", "fp32", "--use_cpu", "true")


def main(arguments: list[str] | None = None) -> None:
    """Print both tables, then a line for each journey."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to measure (this one)")
    parser.add_argument("--list", action="store_true", help="list every hop")
    parser.add_argument("--trace", help=argparse.SUPPRESS)  # in the process that is traced: the folder to work in
    parser.add_argument("journeys", nargs="*", default=list(JOURNEYS), metavar="JOURNEY", help=", ".join(JOURNEYS))
    args = parser.parse_args(arguments)
    root = args.root.resolve()
    if args.trace:
        trace(args.journeys[0], root, Path(args.trace))
    print_layout(root)
    print(f"\n{'journey':10}{'files':>7}{'hops':>7}")
    for name in args.journeys:
        files, hops = measure(name, root)
        print(f"{name:10}{len(files):7}{len(hops):7}")
        if args.list:
            print("\n".join(f"    {caller} -> {called}" for caller, called in hops))


def print_layout(root: Path) -> None:
    """Print how many modules each folder holds, and how long they are."""
    lengths = line_counts(root)
    folders = Counter(str(Path(name).parent) for name in lengths)
    print(f"{'folder':40}{'modules':>8}{'median':>8}{'longest':>9}  (lines)")
    for folder, modules in sorted(folders.items()):
        mine = [length for name, length in lengths.items() if str(Path(name).parent) == folder]
        print(f"{folder:40}{modules:8}{statistics.median(mine):8.0f}{max(mine):9}")
    product = [length for name, length in lengths.items() if name.startswith(MEASURED)]
    deciles = statistics.quantiles(product, n=10)
    print(f"{len(product)} modules besides tests, benchmarks and experiments; lines: {sum(product):,} in all,")
    print(f"median {statistics.median(product):.0f}, 90th percentile {deciles[8]:.0f}, longest {max(product)}")


def line_counts(root: Path) -> dict[str, int]:
    """The lines of every module, by its path; `__init__.py` counts where it is more than a docstring."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=root, capture_output=True, text=True, check=True).stdout
    counted = [name for name in listed.splitlines() if name.split("/")[0] in COUNTED and (root / name).is_file()]
    lengths = {name: len((root / name).read_text(encoding="utf-8").splitlines()) for name in counted}
    return {name: length for name, length in lengths.items() if Path(name).name != "__init__.py" or length > 10}


def measure(journey: str, root: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """The files and the hops of a journey through the checkout at `root`, traced in a process of its own.

    Raises:
        SystemExit: with the end of its output, if the run fails.
    """
    with tempfile.TemporaryDirectory() as place:
        make_inputs(Path(place))
        command = [sys.executable, __file__, journey, "--root", str(root), "--trace", place]
        env = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": f"{place}/hf", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith(_RESULT)]
    if done.returncode or not lines:
        raise SystemExit(f"{journey} failed in {root}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    result = json.loads(lines[0].removeprefix(_RESULT))
    return result["files"], [(caller, called) for caller, called in result["hops"]]


def make_inputs(place: Path) -> None:
    """Synthetic images in class folders, a backbone and a model to serve, both of a few thousand weights."""
    from PIL import Image
    from transformers import ResNetConfig, ResNetForImageClassification
    from transformers.utils import logging

    from cxr.imaging.preprocess import make_processor
    from cxr.phantom import draw_phantom
    from cxr.schema.labels import ID2LABEL, LABEL2ID, LABELS

    logging.disable_progress_bar()
    for seed in range(60):
        path = place / "images" / LABELS[seed % 2] / f"{seed}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_phantom(seed, seed % 2).image).save(path)
    classes = {"id2label": ID2LABEL, "label2id": LABEL2ID}
    for name, settings in (("backbone", {"num_labels": 10}), ("model", classes | {"operating_threshold": 0.5})):
        config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", **settings)
        ResNetForImageClassification(config).save_pretrained(place / name)
        make_processor(64).save_pretrained(place / name)


class Tracer:
    """A profile function that collects which modules below `root` run, and which of them call each other."""

    def __init__(self, root: Path):
        self.files: set[str] = set()
        self.hops: set[tuple[str, str]] = set()
        self._prefix = f"{root}{os.sep}"
        self._names: dict[CodeType, str | None] = {}

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """Note one call, unless it is part of an import."""
        called = self._module(frame.f_code) if event == "call" else None
        if called is None or frame.f_code.co_name == "<module>":
            return
        caller, back = None, frame.f_back
        while back is not None and caller is None:
            caller = self._module(back.f_code)
            if caller and back.f_code.co_name == "<module>":
                return  # a class body, a decorator or a constant
            back = back.f_back
        self.files.add(called)
        if caller and caller != called:
            self.hops.add((caller, called))

    def _module(self, code: CodeType) -> str | None:
        """The path of a piece of code below `root`, None for a library's."""
        if code not in self._names:
            name = code.co_filename
            inside = name.removeprefix(self._prefix) if name.startswith(self._prefix) else ""
            self._names[code] = inside if inside.split(os.sep)[0] in MEASURED else None
        return self._names[code]

    def start(self) -> None:
        """Trace this thread and those that it starts from now on."""
        threading.setprofile(self)
        sys.setprofile(self)

    def clear(self) -> None:
        """Forget what was traced so far."""
        self.files.clear()
        self.hops.clear()

    def stop(self) -> None:
        """Trace no more calls of this thread."""
        sys.setprofile(None)
        threading.setprofile(None)


def trace(journey: str, root: Path, place: Path) -> None:
    """Run a journey with the code in `root`, print what was traced and end this process, whatever still runs in it."""
    sys.path.insert(0, str(root))
    tracer = Tracer(root)
    JOURNEYS[journey](place, tracer)
    print(_RESULT + json.dumps({"files": sorted(tracer.files), "hops": sorted(tracer.hops)}), flush=True)
    os._exit(0)


def trace_dataset(place: Path, tracer: Tracer) -> None:
    """From image files to a dataset."""
    from dataset_script.__main__ import main as prepare

    flags = ["--out", str(place / "data"), "--image_size", "73", "--num_proc", "1"]
    tracer.start()
    code = prepare(["--source", f"folder={place / 'images'}", *flags])
    tracer.stop()
    assert code == 0


def trace_training(place: Path, tracer: Tracer) -> None:
    """From a recipe and a dataset to a model card."""
    from dataset_script.__main__ import main as prepare
    from train_hf import main as train

    flags = ["--out", str(place / "data"), "--image_size", "73", "--num_proc", "1", "--no_audit"]
    assert prepare(["--source", "phantom=80", *flags]) == 0
    paths = [
        "--dataset",
        str(place / "data"),
        "--backbone",
        str(place / "backbone"),
        "--output_dir",
        str(place / "run"),
    ]
    tracer.start()
    code = train(["recipes/full.yaml", *paths, "--output_dir", str(place / "run"), *_SMALL])
    tracer.stop()
    assert code == 0
    assert (place / "run" / "model" / "README.md").is_file()


def trace_answer(place: Path, tracer: Tracer) -> None:
    """From an upload to the app's answer; its start is not counted."""
    from gradio_client import Client, handle_file

    from app import main as serve

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tracer.start()  # now, because the app answers in threads that it starts before the first request
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        arguments = ["--model", str(place / "model"), "--port", str(port)]
        threading.Thread(target=serve, args=[arguments], daemon=True).start()
        while "Listening on" not in printed.getvalue():  # the port is open before the start is over
            time.sleep(0.1)
    client = Client(f"http://127.0.0.1:{port}", verbose=False)
    tracer.clear()
    answer = client.predict(handle_file(place / "images" / "COVID" / "1.png"), api_name="/predict")
    assert "verdict" in answer


JOURNEYS: dict[str, Callable[[Path, Tracer], None]] = {
    "dataset": trace_dataset,
    "training": trace_training,
    "answer": trace_answer,
}


if __name__ == "__main__":
    main()
