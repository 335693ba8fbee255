"""The command line of `assess.py`, and what of it can be checked before anything is loaded."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr.cli import OneLineErrors, make_folder
from cxr.errors import UserError
from cxr.schema.dataset import SPLITS, Split
from cxr.schema.dataset_card import REPORT
from cxr.schema.model_repo import CONFIG

RUNTIMES = ("torch", "openvino")
_DESCRIPTION = "Score a published image classifier on prepared datasets: assessment.json, .md and .html in --out."


@dataclass(frozen=True)
class ModelChoice:
    """A model: repo id or folder, revision, and the labels that mean COVID (empty: ours)."""

    model: str
    revision: str | None
    positive: tuple[str, ...]


@dataclass(frozen=True)
class DatasetChoice:
    """A prepared dataset, by the name given to it; empty if it keeps its own."""

    name: str
    dataset: str


@dataclass(frozen=True)
class Computing:
    """What computes scores, and how many images at once."""

    batch_size: int = 32
    runtime: str = "torch"
    cpu: bool = False


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    models: tuple[ModelChoice, ...]
    datasets: tuple[DatasetChoice, ...]
    split: Split
    out: Path
    computing: Computing
    adapt: Path | None
    push: bool


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = OneLineErrors(prog="assess.py", description=_DESCRIPTION)
    parser.add_argument("--model", required=True, metavar="ID|DIR", help="repo id or folder of an image classifier")
    parser.add_argument("--revision", help="branch, tag or commit of --model; the newest without it")
    parser.add_argument(
        "--positive", metavar="NAME[,NAME]", help="labels that mean COVID, where they are not this project's"
    )
    parser.add_argument("--model2", metavar="ID|DIR", help="a second model, compared with the first image by image")
    parser.add_argument("--revision2", help="branch, tag or commit of --model2")
    parser.add_argument("--positive2", metavar="NAME[,NAME]", help="the same for --model2; default: as --positive")
    parser.add_argument(
        "--dataset",
        required=True,
        nargs="+",
        action="extend",
        metavar="[NAME=]DATASET",
        help="folders from `python -m dataset_script`, or ids of such datasets on the Hub",
    )
    parser.add_argument("--split", choices=SPLITS, default="test", help="split to score (%(default)s)")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the report")
    parser.add_argument(
        "--batch_size", type=int, default=Computing.batch_size, help="images in a forward pass (%(default)s)"
    )
    parser.add_argument(
        "--runtime",
        choices=RUNTIMES,
        default=Computing.runtime,
        help="openvino is faster on CPUs and rounds (%(default)s)",
    )
    parser.add_argument("--use_cpu", action="store_true", help="leave a GPU alone")
    parser.add_argument(
        "--adapt",
        type=Path,
        metavar="OUT",
        help="write to OUT a model whose calibration, thresholds and gate are fitted on the dataset's validation split",
    )
    parser.add_argument(
        "--push",
        action="store_true",
        help="add the results to the card of --model on the Hub, in a commit or, without the right to, a pull request; "
        "the card of --model2 stays as it is",
    )
    return parser


def parse(argv: Sequence[str] | None) -> Options:
    """Read and check the command line.

    Raises:
        UserError: naming the first flag that cannot work.
    """
    args = parser().parse_args(argv)
    first = ModelChoice(args.model, args.revision, _names(args.positive))
    second = ModelChoice(args.model2, args.revision2, _names(args.positive2 or args.positive)) if args.model2 else None
    options = Options(
        models=(first, second) if second else (first,),
        datasets=tuple(_dataset(text) for text in args.dataset),
        split=args.split,
        out=args.out,
        computing=Computing(args.batch_size, args.runtime, args.use_cpu),
        adapt=args.adapt,
        push=args.push,
    )
    _check(options)
    return options


def _names(text: str | None) -> tuple[str, ...]:
    """The names between commas."""
    return tuple(name for part in (text or "").split(",") if (name := part.strip()))


def _dataset(text: str) -> DatasetChoice:
    """`NAME=DATASET`, or a dataset alone; a folder whose name holds a `=` is a dataset alone."""
    name, separator, dataset = text.partition("=")
    if not separator or Path(text).is_dir():
        return DatasetChoice("", text)
    if not name or not dataset:
        raise UserError(f"--dataset {text}: expected NAME=DATASET, a name of your choice and a prepared dataset")
    return DatasetChoice(name, dataset)


def _check(options: Options) -> None:
    if options.computing.batch_size < 1:
        raise UserError(f"--batch_size {options.computing.batch_size} must be at least 1")
    if options.adapt:
        _check_adapt(options, options.adapt)
    _check_out(options.out)


def _check_adapt(options: Options, out: Path) -> None:
    """It shows one model before and after on the test split of one dataset, and changes torch's weights."""
    if len(options.models) > 1 or len(options.datasets) > 1:
        raise UserError("--adapt takes one --model and one --dataset: leave the others out")
    if options.split != "test":
        raise UserError(f"--adapt shows what it changed on the test split: leave out --split {options.split}")
    if options.computing.runtime != "torch":
        raise UserError(
            f"--adapt changes the weights that torch computes with: leave out --runtime {options.computing.runtime}"
        )
    if out.resolve() == options.out.resolve():
        raise UserError(f"--adapt {out} is the folder of the report: name another for the model")


def _check_out(out: Path) -> None:
    """The report's figures replace older ones, so its folder is not that of a model or a dataset."""
    taken = next((name for name in (CONFIG, REPORT) if (out / name).is_file()), None)
    if taken:
        raise UserError(f"--out {out} holds a {taken}: name a folder of its own for the report")
    make_folder("--out", out)
