"""`python -m dataset_script`: raw X-ray collections → one Parquet dataset."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cxr.cli import OneLineErrors, door
from cxr.labels import LABELS
from dataset_script.sources import LAYOUTS

LARGEST = 4096


def _parser() -> argparse.ArgumentParser:
    parser = OneLineErrors(prog="python -m dataset_script", description=__doc__)
    parser.add_argument(
        "--source",
        action="append",
        required=True,
        metavar="NAME=PATH",
        help=f"a collection and its layout, one of {', '.join(LAYOUTS)}; phantom=N draws N; may be given again",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where the dataset goes")
    parser.add_argument("--image_size", type=_size, default=256, help="short side in pixels (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="divides patients among the splits (%(default)s)")
    parser.add_argument("--num_proc", type=_positive, default=_cores(), help="processes (%(default)s)")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _size(text: str) -> int:
    if _positive(text) > LARGEST:
        raise ValueError
    return int(text)


# argparse names the type in "invalid … value: '0'"
_positive.__name__ = "whole number above 0"
_size.__name__ = f"whole number from 1 to {LARGEST}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@door
def main(argv: Sequence[str] | None = None) -> None:
    """Prepare a dataset and print what became of every picture."""
    arguments = _parser().parse_args(argv)
    from dataset_script.prepare import prepare  # here, so that --help and bad flags answer at once

    start = time.perf_counter()
    report = prepare(arguments.source, arguments.out, arguments.image_size, arguments.seed, arguments.num_proc)
    print(_summary(report))
    print(f"{arguments.out}: ready in {time.perf_counter() - start:.1f} s, fingerprint {report['fingerprint'][:12]}")


def _summary(report: dict) -> str:
    lines = [f"{'':12}{'images':>8}" + "".join(f"{name:>11}" for name in LABELS) + f"{'patients':>10}"]
    for split, found in report["splits"].items():
        counts = "".join(f"{found['labels'][name]:>11,}" for name in LABELS)
        lines.append(f"{split:12}{found['images']:>8,}{counts}{found['patients']:>10,}")
    if report["refused"]["total"]:
        lines.append(f"left out: {report['refused']['total']:,} (report.json names each)")
        lines += [f"{count:>8,}  {reason}" for reason, count in report["refused"]["reasons"].items()]
    if report["duplicates"]["groups"]:
        lines.append(f"byte-identical copies kept in one split: {report['duplicates']['files']:,} files")
    if report["straddling"]["groups"]:
        groups = report["straddling"]["groups"]
        lines.append(f"warning: {groups:,} patients straddled predefined splits; their held-out pictures stayed")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
