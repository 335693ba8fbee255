"""What `recipes/head.yaml` costs and reaches against `recipes/seed.yaml`: the same linear head, fitted directly.

Both recipes run unchanged, from the same starting weights, one after the other in one process; the time is that of
training alone. Prints both validation accuracies (for `seed` that of its best epoch, both at the threshold 0.5), their
difference, and the ratio of the times. Demanded: a difference of at least 0 in a tenth of the time.

    python benchmarks/head.py --dataset data/xrays --backbone microsoft/resnet-50 [--input_size 160] [--epochs 50]
"""

import contextlib
import io
import json
import tempfile
from pathlib import Path

from measure import ROOT, make_parser

from cxr.network.model import BACKBONE
from cxr.training import run, timings


def main(arguments: list[str] | None = None) -> None:
    """Train by both recipes and print what each reached, and in which time."""
    parser = make_parser(__doc__)
    parser.add_argument("--dataset", required=True, help="folder written by `python -m dataset_script`, or its Hub id")
    parser.add_argument("--backbone", default=BACKBONE, help="Hub id or folder of the ResNet to start from")
    parser.add_argument(
        "--input_size", type=int, default=224, help="side of the network's input in pixels (%(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=50, help="epochs of the recipe `seed` (%(default)s)")
    options = parser.parse_args(arguments)
    shared = ["--dataset", options.dataset, "--backbone", options.backbone, "--input_size", str(options.input_size)]
    seed, seed_seconds = train("seed", [*shared, "--num_train_epochs", str(options.epochs)])
    head, head_seconds = train("head", shared)
    accuracies = [entry["eval_accuracy"] for entry in seed if "eval_accuracy" in entry]
    best, accuracy = max(accuracies), head[0]["eval_accuracy"]
    print(f"seed: accuracy {best:.4f} (epoch {1 + accuracies.index(best)} of {len(accuracies)}), {seed_seconds:.1f} s")
    print(f"head: accuracy {accuracy:.4f}, {head_seconds:.1f} s")
    print(f"difference head - seed: {accuracy - best:+.4f}")
    print(f"ratio of the times head / seed: {head_seconds / seed_seconds:.3f}")


def train(recipe: str, flags: list[str]) -> tuple[list[dict[str, float]], float]:
    """Run a recipe; returns the log entries of its training, and the seconds that it took."""
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(io.StringIO()):
        code = run.main([str(ROOT / "recipes" / f"{recipe}.yaml"), *flags, "--output_dir", out])
        if code:
            raise SystemExit(code)
        times = json.loads((Path(out) / timings.FILE).read_text(encoding="utf-8"))
        metrics = json.loads((Path(out) / "model" / "metrics.json").read_text(encoding="utf-8"))
    return metrics["training"]["log"], times["training_seconds"]


if __name__ == "__main__":
    main()
