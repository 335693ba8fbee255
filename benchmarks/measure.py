"""What the benchmarks share: timing in alternation, memory of processes, phantoms, preparations and tables."""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from cxr.phantom import draw_phantom

ROOT = Path(__file__).resolve().parents[1]
Item = TypeVar("Item")
Way = TypeVar("Way", bound=Hashable)


def make_parser(description: str) -> argparse.ArgumentParser:
    """A parser whose `--help` shows the benchmark's docstring."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def paired_seconds(
    ways: Mapping[str, Callable[[Item], object]], items: Sequence[Item], rounds: int, progress: str | None = None
) -> dict[str, np.ndarray]:
    """Time several ways of doing something on the same items.

    The ways take turns on every item, so that another load on the machine slows all of them, and ratios stay valid.

    Returns for each way the seconds of every round and item, float64 (rounds, N).
    """
    taken = {way: np.empty((rounds, len(items))) for way in ways}
    for number in tqdm(range(rounds), desc=progress, disable=progress is None):
        for index, item in enumerate(items):
            for way, do in ways.items():
                start = time.perf_counter()
                do(item)
                taken[way][number, index] = time.perf_counter() - start
    return taken


def in_turn(
    ways: Mapping[Way, Callable[[], float]], rounds: int, progress: str | None = None
) -> dict[Way, list[float]]:
    """The seconds that several ways say they took, of which one call each is a round."""
    taken: dict[Way, list[float]] = {way: [] for way in ways}
    for _ in tqdm(range(rounds), desc=progress, disable=progress is None):
        for way, do in ways.items():
            taken[way].append(do())
    return taken


def median_seconds(
    ways: Mapping[str, Callable[[Item], object]], items: Sequence[Item], rounds: int, progress: str | None = None
) -> dict[str, np.ndarray]:
    """For each way the median seconds of every item over the rounds of `paired_seconds`, float64 (N,)."""
    return {way: np.median(seconds, axis=0) for way, seconds in paired_seconds(ways, items, rounds, progress).items()}


def process_bytes(field: str, pid: int | str = "self") -> int:
    """A size from `/proc/PID/status` in bytes: "VmRSS" is what a process holds now, "VmHWM" its peak. Linux only."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{field}:"))


def phantoms(count: int, first: int = 0) -> Iterator[np.ndarray]:
    """Pixels uint8 (H, W) of the phantoms with seeds from `first` on; every other one is COVID, starting with NON."""
    return (draw_phantom(first + number, number % 2).image for number in range(count))


def preparation(table: Path, image_size: int, *flags: str) -> list[str]:
    """The command that prepares the images of a table into a folder `out` beside it."""
    command = [sys.executable, "-m", "dataset_script", "--source", f"table={table}", "--image_size", str(image_size)]
    return [*command, "--out", str(table.parent / "out"), *flags]


def prepared_phantoms(folder: Path, count: int, image_size: int) -> Path:
    """A dataset of phantoms in `folder / "phantoms"`, prepared without audit and search for near-duplicates."""
    out = folder / "phantoms"
    command = [sys.executable, "-m", "dataset_script", "--source", f"phantom={count}", "--image_size", str(image_size)]
    flags = ["--out", str(out), "--no_audit", "--duplicates", "keep"]
    printed_by([*command, *flags])
    return out


def printed_by(command: Sequence[str]) -> str:
    """What a command prints, run in the project's root.

    Raises:
        RuntimeError: if it fails, with the last line that it printed about that.
    """
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip() or "nothing was printed").splitlines()[-1]
        raise RuntimeError(f"{' '.join(command[1:3])} ended with code {done.returncode}: {last}")
    return done.stdout


def print_table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> None:
    """Print columns as wide as their widest cell, the first one left-aligned, the others right-aligned."""
    lines = [[str(cell) for cell in line] for line in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for first, *others in lines:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *cells]).rstrip())
