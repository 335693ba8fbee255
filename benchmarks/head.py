"""What `head` takes against `seed`: the same linear head on the same frozen backbone, fitted in one pass or in many.

Both recipes run as they stand, from the same starting weights, one after the other in
one process; the time is that of training alone. Prints both validation accuracies (the best epoch's for `seed`, at the
neutral threshold), their difference and the ratio of the times. Demanded: a difference of at least 0 at a tenth.

    python benchmarks/head.py --dataset data/xrays --backbone microsoft/resnet-50 [--input_size 160] [--epochs 50]
"""

import argparse
import contextlib
import io
import json
import tempfile
from pathlib import Path

from cxr.model import BACKBONE
from cxr.training import run

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str] | None = None) -> None:
    """Train by both recipes and print what each reached, and in which time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", required=True, help="folder written by `python -m dataset_script`, or its Hub id")
    parser.add_argument("--backbone", default=BACKBONE, help="Hub id or folder of the ResNet to start from")
    parser.add_argument("--input_size", type=int, default=224, help="side in pixels of what the network sees")
    parser.add_argument("--epochs", type=int, default=50, help="epochs of the recipe `seed`")
    options = parser.parse_args(arguments)
    shared = ["--dataset", options.dataset, "--backbone", options.backbone, "--input_size", str(options.input_size)]
    seed = _log("seed", shared, "--num_train_epochs", str(options.epochs))
    head = _log("head", shared)
    epochs = [entry["eval_accuracy"] for entry in seed if "eval_accuracy" in entry]
    accuracy = head[0]["eval_accuracy"]
    seconds = {"seed": seed[-1]["train_runtime"], "head": head[0]["head_seconds"]}
    print(f"seed: accuracy {max(epochs):.4f} (epoch {1 + epochs.index(max(epochs))}), {seconds['seed']:.1f} s")
    print(f"head: accuracy {accuracy:.4f}, {seconds['head']:.1f} s")
    print(f"difference head - seed: {accuracy - max(epochs):+.4f}")
    print(f"ratio of the times head / seed: {seconds['head'] / seconds['seed']:.3f}")


def _log(recipe: str, shared: list[str], *flags: str) -> list[dict]:
    """Run a recipe and return its training log."""
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(io.StringIO()):
        code = run.main([str(ROOT / "recipes" / f"{recipe}.yaml"), *shared, *flags, "--output_dir", out])
        if code:
            raise SystemExit(code)
        return json.loads((Path(out) / "model" / "metrics.json").read_text(encoding="utf-8"))["training"]["log"]


if __name__ == "__main__":
    main()
