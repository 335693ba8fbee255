"""`python -m dataset_script`: raw X-ray collections → one Parquet dataset."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cxr.cli import OneLineErrors, command
from cxr.parallel import cores
from cxr.schema.labels import LABELS
from cxr.schema.report import Report
from dataset_script.collections import LAYOUTS

MAX_IMAGE_SIZE = 4096
_SHOWN, _LONGEST = 20, 60


def _parser() -> argparse.ArgumentParser:
    parser = OneLineErrors(prog="python -m dataset_script", description=__doc__)
    parser.add_argument(
        "--source",
        action="append",
        required=True,
        metavar="NAME=PATH",
        help=f"a collection and its layout, one of {', '.join(LAYOUTS)}; phantom=N draws N; may be repeated",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the dataset")
    parser.add_argument("--image_size", type=_size, default=256, help="short side in pixels (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed for dividing patients into splits (%(default)s)")
    parser.add_argument(
        "--duplicates",
        choices=("drop", "keep", "report"),
        default="drop",
        help="of near-duplicates of one image, drop: only the best stays (%(default)s); keep: all stay, in one split; "
        "report: as keep, and near-duplicates with both labels stay too, which are left out otherwise",
    )
    parser.add_argument(
        "--external",
        action="append",
        default=[],
        metavar="NAME",
        help="name of a layout or collection that becomes a test set of its own in DIR/external/NAME; may be repeated",
    )
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        dest="labels",
        metavar="VALUE=CLASS",
        help="what a label in a collection means: VALUE=COVID, VALUE=NON-COVID or VALUE=out (left out), or a file of "
        "such lines; may be repeated",
    )
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        dest="columns",
        metavar="FIELD=NAME",
        help="the column of a table that holds a field, such as patient_id=MRN; may be repeated",
    )
    parser.add_argument(
        "--patient_key",
        type=Path,
        metavar="FILE",
        help="key for the pseudonyms of DICOM patients, created if missing; keep it, and never publish it",
    )
    parser.add_argument(
        "--no_audit",
        action="store_false",
        dest="audit",
        help="leave out the audit and the review pages, which take longest on small sets; the card says so",
    )
    parser.add_argument("--push_to_hub", metavar="USER/NAME", help="publish the dataset on the Hub")
    parser.add_argument("--private", action="store_true", help="create the repo on the Hub as a private one")
    parser.add_argument("--num_proc", type=_positive, default=cores(), help="processes (%(default)s)")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _size(text: str) -> int:
    if _positive(text) > MAX_IMAGE_SIZE:
        raise ValueError
    return int(text)


# argparse prints the function's name: "invalid whole number above 0 value: '0'"
_positive.__name__ = "whole number above 0"
_size.__name__ = f"whole number from 1 to {MAX_IMAGE_SIZE}"


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Prepare a dataset and print a summary of it."""
    arguments = _parser().parse_args(argv)
    from cxr.hub import preflight  # here, so that --help and bad flags are answered at once
    from dataset_script.prepare import Options, prepare
    from dataset_script.publish import publish_dataset

    start = time.perf_counter()
    settings = vars(arguments)
    repo_id, private = settings.pop("push_to_hub"), settings.pop("private") or None
    if repo_id:
        repo_id = preflight(repo_id, private, repo_type="dataset")
    report = prepare(Options(sources=settings.pop("source"), **settings))
    print(_summary(report))
    print(f"{arguments.out}: ready in {time.perf_counter() - start:.1f} s, fingerprint {report['fingerprint'][:12]}")
    if repo_id:
        print(f"published {repo_id} at revision {publish_dataset(arguments.out, repo_id, private)}")


def _summary(report: Report) -> str:
    lines = [f"{'':12}{'images':>8}" + "".join(f"{name:>11}" for name in LABELS) + f"{'patients':>10}"]
    for split, counts in report["splits"].items():
        labels = "".join(f"{counts['labels'][name]:>11,}" for name in LABELS)
        lines.append(f"{split:12}{counts['images']:>8,}{labels}{counts['patients']:>10,}")
    lines += _readings(report)
    lines += [f"warning: {count:,} images: {text}" for text, count in report.get("image_warnings", {}).items()]
    if report["refused"]["total"]:
        lines.append(f"left out: {report['refused']['total']:,} (report.json names each)")
        lines += [f"{count:>8,}  {reason}" for reason, count in report["refused"]["reasons"].items()]
    for clusters, what in (
        (report["duplicates"], "near-duplicates"),
        (report["conflicts"], "near-duplicates with both labels"),
    ):
        if clusters["groups"]:
            lines.append(f"{clusters['groups']:>8,}  clusters of {what}: {clusters['files']:,} files")
    if report["straddling"]["groups"]:
        groups = report["straddling"]["groups"]
        lines.append(
            f"warning: {groups:,} patients or near-duplicates straddled a held-out or external set; only their images "
            "in it stayed"
        )
    if "audit" in report:
        lines.append(report["audit"]["verdict"])
    return "\n".join(lines)


def _readings(report: Report) -> list[str]:
    """How labels, columns and views were understood, so that a mistake is seen."""
    lines = []
    for source, values in report.get("label_values", {}).items():
        lines.append(f"labels of {source}:")
        read = [(count, value, outcome) for value, outcomes in values.items() for outcome, count in outcomes.items()]
        read.sort(key=lambda item: (-item[0], item[1]))
        lines += [f"{count:>8,}  {_shown(value)} → {outcome}" for count, value, outcome in read[:_SHOWN]]
        if len(read) > _SHOWN:
            lines.append(f"          … and {len(read) - _SHOWN} more values (report.json lists all)")
    for name, columns in report.get("columns", {}).items():
        used = ", ".join(f"{ours} from {theirs!r}" for ours, theirs in columns["used"].items())
        lines.append(f"columns of {name}: {used}")
    for source, views in report.get("unknown_views", {}).items():
        listed = ", ".join(f"{view!r} ({count:,})" for view, count in views.items())
        lines.append(f"views of {source} that are not known, kept: {listed}")
    return lines


def _shown(value: str) -> str:
    """A value of a collection on one line of a terminal."""
    text = " ".join("".join(char if char.isprintable() else " " for char in value).split()) or "(empty)"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


if __name__ == "__main__":
    sys.exit(main())
