"""Run the trials that have not been run yet and write their log: `python -m experiments --help`."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from cxr.cli import OneLineErrors, command
from cxr.errors import UserError
from experiments import log, trial
from experiments.interventions import MEANS


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
    parser.add_argument("--size", type=int, default=64, help="side of what the network sees, in pixels (%(default)s)")
    parser.add_argument("--epochs", type=int, default=12, help="epochs of every trial (%(default)s)")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Run what `trials.jsonl` lacks, seed by seed, so that an interrupted series goes on; then write the log."""
    arguments = _parser().parse_args(argv)
    unknown = set(arguments.only or ()) - set(MEANS)
    if unknown:
        raise UserError(f"--only {' '.join(sorted(unknown))}: the trials are {', '.join(MEANS)}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    book, budget = arguments.out / "trials.jsonl", trial.Budget(arguments.size, arguments.epochs)
    parts = trial.load(arguments.dataset, arguments.external)
    names = [name for name in MEANS if not arguments.only or name in (*arguments.only, log.BASELINE)]
    for seed in arguments.seeds:
        for group in _groups(names):
            _run(group, seed, parts, budget, book)
    if arguments.log:
        arguments.log.write_text(log.write(_records(book), parts, budget, _command(arguments)), encoding="utf-8")
        print(arguments.log)


def _groups(names: Sequence[str]) -> list[list[str]]:
    """Trials that share a training run, in the order of their first."""
    found = {}
    for name in names:
        found.setdefault(MEANS[name].training, []).append(name)
    return list(found.values())


def _run(group: list[str], seed: int, parts: dict[str, trial.Pictures], budget: trial.Budget, book: Path) -> None:
    """Run those of the group that the book lacks, and write them down."""
    done = {(record["mean"], record["seed"]) for record in _records(book)}
    missing = [name for name in group if (name, seed) not in done]
    if not missing:
        return
    keeps = {MEANS[name].keep: name for name in missing}
    found = trial.run(MEANS[group[0]].training, keeps, seed, parts, budget, f"{' + '.join(missing)}, seed {seed}")
    with book.open("a", encoding="utf-8") as stream:
        for keep, name in keeps.items():
            scores = {key: value if key == "seconds" else value.tolist() for key, value in found[keep].items()}
            stream.write(json.dumps({"mean": name, "seed": seed} | scores) + "\n")


def _records(book: Path) -> list[dict]:
    return [json.loads(line) for line in book.read_text(encoding="utf-8").splitlines()] if book.is_file() else []


def _command(arguments: argparse.Namespace) -> str:
    """The command that repeats the series; folders by their last part, so that no log names a path of this machine."""
    data = f"data/{arguments.dataset.resolve().name}"
    words = ["--dataset", data, "--external", f"{data}/external/{arguments.external.resolve().name}"]
    words += ["--out", f"runs/{arguments.out.resolve().name}", "--seeds", *map(str, arguments.seeds)]
    words += ["--size", str(arguments.size), "--epochs", str(arguments.epochs)]
    return shlex.join(["python", "-m", "experiments", *words])


if __name__ == "__main__":
    sys.exit(main())
