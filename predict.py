"""Classify chest X-rays with a published model in a terminal: one line per file."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cxr.cli import OneLineErrors, command, let_threads_sleep, make_folder
from cxr.errors import UserError

if TYPE_CHECKING:
    from cxr.serving.answer import FileAnswer

_EPILOG = "Exit code: 0 if every file got an answer, 1 if some did not, 2 if none did."


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = OneLineErrors(prog="predict.py", description=__doc__, epilog=_EPILOG)
    parser.add_argument("--model", required=True, metavar="ID|DIR", help="repo id or folder of a published model")
    parser.add_argument("--revision", help="branch, tag or commit to pin; the newest without it")
    parser.add_argument("--exact", action="store_true", help="float32 and full decoding, slower; equals pipeline()")
    parser.add_argument("--csv", metavar="FILE", help="write a table as well")
    parser.add_argument("--json", action="store_true", help="print one JSON object per line instead of sentences")
    parser.add_argument("--heatmaps", metavar="DIR", help="write each X-ray with its class activation map over it")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files, folders, zips or patterns like 'ward/*.png'")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Find the files, load the model, answer; see the exit codes in `--help`."""
    args = parser().parse_args(argv)
    let_threads_sleep()
    import joblib

    from cxr.serving import batch, input_files
    from cxr.serving.predictor import Precision, Predictor
    from cxr.serving.shift import shift_sentence

    files = input_files.find(args.paths)
    if not files:
        raise UserError(f"no image found in {', '.join(args.paths)}: name files, folders, zips or patterns")
    if args.csv:
        batch.start_table(args.csv)
    heatmaps = make_folder("--heatmaps", Path(args.heatmaps)) if args.heatmaps else None
    precision: Precision = "exact" if args.exact else "fast"
    predictor = Predictor.load(args.model, args.revision, precision, min(len(files), joblib.cpu_count()))
    if predictor.runtime_note:
        print(f"precision {predictor.runtime_note}", file=sys.stderr)
    if heatmaps:
        print(f"heatmaps: {predictor.heatmap_words}", file=sys.stderr)
    answers = []
    for answer in _with_progress(batch.answer_files(predictor, files, heatmaps), len(files)):
        _print(json.dumps(answer.to_dict(), ensure_ascii=False) if args.json else answer.sentence)
        if args.csv:
            batch.append_to_table(args.csv, answer)
        answers.append(answer.answer)
    if warning := shift_sentence(predictor.validation_distribution, answers):
        print(f"warning: {warning}", file=sys.stderr)
    if None not in answers:
        return 0
    return 1 if any(answers) else 2


def _print(line: str) -> None:
    """On a terminal, the line has to go above the progress bar."""
    if sys.stdout.isatty():
        from tqdm import tqdm

        tqdm.write(line, file=sys.stdout)
    else:
        print(line)


def _with_progress(answers: Iterable["FileAnswer"], total: int) -> Iterable["FileAnswer"]:
    from tqdm import tqdm

    return tqdm(answers, total=total, unit="file", file=sys.stderr, disable=total == 1)


if __name__ == "__main__":
    sys.exit(main())
