"""`make demo SERVE=0` against this machine's own rate of training on tensors in memory."""

import json
import subprocess
import sys
from pathlib import Path

import yaml
from measure import ROOT

from rows import inputs
from rows.record import Figure, Figures, NotMeasured, Row, Settings, Target
from rows.steps import fastest_in_memory, screen

IMAGES = 2052
"""Those of all epochs of the demo's training."""

RECORD = "seconds.json"
_HOW = "no demo has been run here: make demo SERVE=0, or python benchmarks/bench.py --only demo --demo"


def measure(settings: Settings) -> Figures:
    """The demo's own record of its phases, and some steps of its size in memory."""
    phases = json.loads(_record(settings).read_text(encoding="utf-8"))
    recipe = yaml.safe_load((ROOT / "recipes" / "demo.yaml").read_text(encoding="utf-8"))
    size, batch = (32, 2) if settings.quick else (recipe["input_size"], recipe["per_device_train_batch_size"])
    found = screen(inputs.network_config(settings), size, batch, settings.device, compile_too=False)
    best, seconds = fastest_in_memory(found, settings.rounds)
    steps = IMAGES / batch
    taken = sum(phases.values())
    spread = sorted(taken / (steps * one) for one in seconds)
    alone = steps * sorted(seconds)[len(seconds) // 2]
    return {
        "demo": Figure(
            taken / alone,
            (spread[0], spread[-1]),
            said=f"{taken:.0f} s, {IMAGES} images in memory {alone:.0f} s ({best}, batch {batch}, {size} px)",
            reason=", ".join(f"{name} {part:.0f} s" for name, part in phases.items()),
        )
    }


def _record(settings: Settings) -> Path:
    if settings.demo:
        out = settings.scratch / "demo"
        subprocess.run([sys.executable, "demo.py", "--no_serve", "--out", str(out)], cwd=ROOT, check=True)
        return out / RECORD
    record = ROOT / "runs" / "demo" / RECORD
    if not record.is_file():
        raise NotMeasured(_HOW)
    return record


ROW = Row(
    "demo",
    {
        "demo": Target(
            "`make demo SERVE=0` after installation, time",
            f"the fastest of {{fp32, bf16}} × {{NCHW, NHWC}} for the demo's {IMAGES:,} images on tensors in memory",
            2.0,
        )
    },
    measure,
    devices=("cpu",),
)
