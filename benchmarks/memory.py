"""How much memory a whole preparation takes per image: reading, duplicate search, split, writing and audit.

Images of noise are prepared in several numbers, each time by `python -m dataset_script` in processes of its own. The
sum of their proportional set sizes is sampled twenty times a second. Prints the peak of each preparation and the slope
over all of them. Below about 3,000 images the audit's samples still grow with the dataset. Linux only.

    python benchmarks/memory.py [--sizes 4000 8000 16000] [--no_audit]
"""

import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import ROOT, make_parser, preparation
from PIL import Image

SIZES = (4000, 8000, 16_000)
_SIDE = 40
_INTERVAL_SECONDS = 0.05


def main(arguments: list[str] | None = None) -> None:
    """Print a line for every size, then the slope in bytes per image."""
    parser = make_parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="how many images")
    parser.add_argument("--no_audit", action="store_true", help="prepare without the audit")
    options = parser.parse_args(arguments)
    flags = ["--no_audit"] if options.no_audit else []
    peaks = []
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as scratch:
            peaks.append(_peak_bytes(_save_noise(Path(scratch), size), flags))
        print(f"{size:>8,} images: at most {peaks[-1] / 2**20:.1f} MiB", flush=True)
    if len(peaks) > 1:
        print(f"slope {np.polyfit(options.sizes, peaks, 1)[0]:.0f} bytes per image")


def _save_noise(folder: Path, count: int) -> Path:
    """A table of `count` images of noise, each with a patient of its own."""
    rng, lines = np.random.default_rng(count), ["file,label,patient_id,view,sex,age"]
    (folder / "images").mkdir()
    for number in range(count):
        file = f"images/{number:06d}.png"
        Image.fromarray(rng.integers(0, 256, (_SIDE, _SIDE), np.uint8)).save(folder / file, compress_level=1)
        lines.append(f"{file},{number % 2},patient {number},PA,F,{20 + number % 60}")
    table = folder / "table.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    return table


def _peak_bytes(table: Path, flags: list[str]) -> int:
    """The highest sum of the memory of a preparation's processes."""
    command = preparation(table, _SIDE, *flags)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(map(_proportional_bytes, [process.pid, *_children(process.pid)])))
        time.sleep(_INTERVAL_SECONDS)
    if process.returncode:
        raise SystemExit(f"the preparation of {table} ended with exit code {process.returncode}")
    return peak


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _proportional_bytes(pid: int) -> int:
    """The memory of a process, with its share of what it shares with others; 0 after its end."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main()
