"""What a machine is, as far as it decides how fast things are here."""

import datetime
import importlib.metadata
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

import joblib
import torch
from measure import ROOT

from cxr.training.arguments import precisions
from rows.steps import synchronize

_PACKAGES = ("torch", "transformers", "openvino", "datasets", "numpy", "pillow", "gradio")
_SIDE = {"cpu": 1024, "cuda": 8192}
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_tile")


def facts(device: str, quick: bool) -> dict[str, str]:
    """Facts by their names, in the order in which they are shown.

    Rates are measured of what the device does not emulate, and not at all in a quick run.
    """
    kinds = () if quick else precisions(use_cpu=device == "cpu")
    rates = [f"{name} {matrix_rate(device, _KINDS[name]) / 1e9:,.0f} GFLOP/s" for name in kinds]
    capabilities = torch.cpu.get_capabilities()
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "processor": f"{_processor()}, {joblib.cpu_count()} cores for this process",
        "instructions": ", ".join(name for name in _INSTRUCTIONS if capabilities.get(name)) or "none of these named",
        **({"card": torch.cuda.get_device_name()} if device == "cuda" else {}),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "matrix product": ", ".join(rates) or "not measured",
        "load at the start": f"{os.getloadavg()[0]:.1f} processes",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "packages": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES),
    }


_KINDS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def matrix_rate(device: str, kind: torch.dtype) -> float:
    """Floating-point operations a second of a large matrix product, the median of five."""
    side = _SIDE[device]
    matrix = torch.randn(side, side, device=device).to(kind)
    matrix @ matrix
    seconds = []
    for _ in range(5):
        synchronize(device)
        start = time.perf_counter()
        matrix @ matrix
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    return 2 * side**3 / statistics.median(seconds)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    """The commit that was measured, and whether files differ from it."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
