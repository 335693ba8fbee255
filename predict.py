"""Ask a published model about chest X-rays from a terminal: one sentence a file."""

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cxr.cli import OneLineErrors, command
from cxr.errors import UserError

if TYPE_CHECKING:
    from cxr.serving.batch import Row

_EPILOG = "Exit code: 0 if every file got an answer, 1 if some did not, 2 if none did."


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = OneLineErrors(prog="predict.py", description=__doc__, epilog=_EPILOG)
    parser.add_argument("--model", required=True, metavar="ID|DIR", help="repo id or folder of a published model")
    parser.add_argument("--revision", help="branch, tag or commit to pin; the newest without it")
    parser.add_argument("--exact", action="store_true", help="float32 and full decoding, slower; what pipeline() gives")
    parser.add_argument("--csv", metavar="FILE", help="write a table as well")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line instead of sentences")
    parser.add_argument("--heatmaps", metavar="DIR", help="write each X-ray with its class activation map over it")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files, folders, zips or patterns like 'ward/*.png'")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Find the files, load the model, answer; see the exit codes in `--help`."""
    args = parser().parse_args(argv)
    import joblib

    from cxr.serving import batch, input_files
    from cxr.serving.predictor import Predictor

    found = input_files.find(args.paths)
    if not found:
        raise UserError(f"no picture found in {', '.join(args.paths)}: name files, folders, zips or patterns")
    if args.csv:
        _start_table(args.csv, batch.COLUMNS)
    heatmaps = _folder(args.heatmaps) if args.heatmaps else None
    predictor = Predictor.load(args.model, args.revision, args.exact, min(len(found), joblib.cpu_count()))
    rows = batch.answers(predictor, found, heatmaps)
    answered = [_report(row, args, batch.COLUMNS) for row in _progress(rows, len(found))]
    return 0 if all(answered) else 1 if any(answered) else 2


def _report(row: "Row", args: argparse.Namespace, columns: Sequence[str]) -> bool:
    """Print one row, add it to the table if there is one, and say whether the file got an answer."""
    _print(json.dumps(row.to_dict(), ensure_ascii=False) if args.json else row.sentence)
    if args.csv:
        _append(args.csv, row, columns)
    return row.answer is not None


def _print(line: str) -> None:
    """On a terminal the progress bar has to make room for the line."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stdout) if sys.stdout.isatty() else print(line)


def _progress(rows: Iterable["Row"], total: int) -> Iterable["Row"]:
    from tqdm import tqdm

    return tqdm(rows, total=total, unit="file", file=sys.stderr, disable=total == 1)


def _start_table(path: str, columns: Sequence[str]) -> None:
    """Write the header before the model loads, so that a path nobody can write to is known at once."""
    try:
        with open(path, "w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerow(columns)
    except OSError as error:
        raise UserError(f"--csv {path} cannot be written: {error.strerror}") from error


def _folder(path: str) -> Path:
    """Make the folder before the model loads, for the same reason."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--heatmaps {path} cannot be made: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise UserError(f"--heatmaps {path} cannot be written to: name another folder")
    return Path(path)


def _append(path: str, row: "Row", columns: Sequence[str]) -> None:
    with open(path, "a", newline="", encoding="utf-8") as stream:
        csv.DictWriter(stream, columns).writerow(row.to_row())


if __name__ == "__main__":
    sys.exit(main())
