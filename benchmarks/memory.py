"""How much memory a whole preparation takes for one more picture: read, searched for copies, divided, written, audited.

Pictures of noise are prepared in two sizes and more, each by `python -m dataset_script` in processes of their own.
Their proportional set sizes, added up, are looked at twenty times a second; printed are the peak of each preparation
and the slope over all of them. Below about 3,000 pictures the audit's samples still grow with the dataset.
Linux only (`/proc`).

    python benchmarks/memory.py [--sizes 4000 8000 16000] [--no_audit]
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SIZES = (4000, 8000, 16_000)
_SIDE = 40
_PAUSE = 0.05


def main(arguments: list[str] | None = None) -> None:
    """Print a line for every size, then the slope in bytes a picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="how many pictures")
    parser.add_argument("--no_audit", action="store_true", help="prepare without the audit")
    options = parser.parse_args(arguments)
    peaks = []
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as scratch:
            peaks.append(_peak(_collection(Path(scratch), size), ["--no_audit"] if options.no_audit else []))
        print(f"{size:>8,} pictures: at most {peaks[-1] / 2**20:.1f} MiB", flush=True)
    if len(peaks) > 1:
        print(f"slope {np.polyfit(options.sizes, peaks, 1)[0]:.0f} bytes a picture")


def _collection(folder: Path, count: int) -> Path:
    """A table of `count` pictures of noise, each of a patient of its own."""
    rng, lines = np.random.default_rng(count), ["file,label,patient_id,view,sex,age"]
    (folder / "images").mkdir()
    for number in range(count):
        file = f"images/{number:06d}.png"
        Image.fromarray(rng.integers(0, 256, (_SIDE, _SIDE), np.uint8)).save(folder / file, compress_level=1)
        lines.append(f"{file},{number % 2},patient {number},PA,F,{20 + number % 60}")
    table = folder / "table.csv"
    table.write_text("\n".join(lines))
    return table


def _peak(table: Path, flags: list[str]) -> int:
    """The most bytes that a preparation's processes held together."""
    command = [sys.executable, "-m", "dataset_script", "--source", f"table={table}", "--image_size", str(_SIDE)]
    command += ["--out", str(table.parent / "out"), *flags]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(map(_held, [process.pid, *_children(process.pid)])))
        time.sleep(_PAUSE)
    if process.returncode:
        raise SystemExit(f"the preparation of {table} ended with exit code {process.returncode}")
    return peak


def _children(process: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def _held(process: int) -> int:
    """Bytes that a process holds, its share of what it shares with others; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main()
