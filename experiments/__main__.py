"""Run the trials that have not been run yet and write their log: `python -m experiments --help`."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from cxr.cli import OneLineErrors, UserError, door


def _parser() -> argparse.ArgumentParser:
    parser = OneLineErrors(prog="python -m experiments", description=__doc__)
    parser.add_argument("--dataset", required=True, type=Path, help="prepared with --external; training sees only this")
    parser.add_argument(
        "--external", required=True, type=Path, help="the set outside, such as DATASET/external/ieee8023"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where trials.jsonl goes, to go on from")
    parser.add_argument("--log", type=Path, metavar="FILE", help="write the log of all trials there, in Markdown")
    parser.add_argument(
        "--only", nargs="*", metavar="NAME", help="these trials instead of all; the baseline always runs"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="%(default)s")
    parser.add_argument("--size", type=int, default=96, help="side of what the network sees, in pixels (%(default)s)")
    parser.add_argument("--epochs", type=int, default=12, help="epochs of every trial (%(default)s)")
    return parser


@door
def main(argv: Sequence[str] | None = None) -> None:
    """Run what `trials.jsonl` lacks, seed by seed, so that an interrupted series goes on; then write the log."""
    arguments = _parser().parse_args(argv)
    from experiments import log, trial
    from experiments.means import MEANS

    unknown = set(arguments.only or ()) - set(MEANS)
    if unknown:
        raise UserError(f"--only {' '.join(sorted(unknown))}: the trials are {', '.join(MEANS)}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    book, budget = arguments.out / "trials.jsonl", trial.Budget(arguments.size, arguments.epochs)
    parts = trial.load(arguments.dataset, arguments.external)
    names = [name for name in MEANS if not arguments.only or name in (*arguments.only, log.BASELINE)]
    for seed in arguments.seeds:
        for name in names:
            if (name, seed) not in {(record["mean"], record["seed"]) for record in _records(book)}:
                scores = trial.run(MEANS[name], seed, parts, budget, f"{name}, seed {seed}")
                record = {"mean": name, "seed": seed} | {part: values.tolist() for part, values in scores.items()}
                with book.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(record) + "\n")
    if arguments.log:
        arguments.log.write_text(log.write(_records(book), parts, budget, _command(arguments)), encoding="utf-8")
        print(arguments.log)


def _records(book: Path) -> list[dict]:
    return [json.loads(line) for line in book.read_text(encoding="utf-8").splitlines()] if book.is_file() else []


def _command(arguments: argparse.Namespace) -> str:
    """The command that repeats the series; folders by their last part, so that no log names a path of this machine."""
    words = [
        "--dataset",
        arguments.dataset.name,
        "--external",
        f"{arguments.dataset.name}/external/{arguments.external.name}",
    ]
    words += ["--out", f"runs/{arguments.out.name}", "--seeds", *map(str, arguments.seeds)]
    return shlex.join(
        ["python", "-m", "experiments", *words, "--size", str(arguments.size), "--epochs", str(arguments.epochs)]
    )


if __name__ == "__main__":
    sys.exit(main())
