"""Run the trials that have not been run yet and write their log: `python -m experiments --help`."""

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cxr.cli import OneLineErrors, command
from cxr.errors import UserError
from experiments import log, trial
from experiments.interventions import BASELINE, INTERVENTIONS, Intervention


def _parser() -> argparse.ArgumentParser:
    parser = OneLineErrors(prog="python -m experiments", description=__doc__)
    parser.add_argument("--dataset", required=True, type=Path, help="dataset prepared with --external, to train on")
    parser.add_argument("--external", required=True, type=Path, help="external set, such as DATASET/external/ieee8023")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="folder of trials.jsonl; an interrupted series continues"
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="write the log of all trials to FILE, in Markdown")
    parser.add_argument(
        "--only", nargs="*", metavar="NAME", help="run these trials instead of all; the baseline always runs"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="default: %(default)s")
    parser.add_argument("--size", type=int, default=64, help="side in pixels of what the network sees (%(default)s)")
    parser.add_argument("--epochs", type=int, default=12, help="epochs of every trial (%(default)s)")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Run the trials that are missing from `trials.jsonl`, seed by seed, then write the log."""
    arguments = _parser().parse_args(argv)
    unknown = set(arguments.only or ()) - set(INTERVENTIONS)
    if unknown:
        raise UserError(f"--only {' '.join(sorted(unknown))}: the trials are {', '.join(INTERVENTIONS)}")
    for flag, folder in (("--dataset", arguments.dataset), ("--external", arguments.external)):
        if not any(folder.rglob("*.parquet")):
            raise UserError(f"{flag} {folder} is no prepared dataset: make it with python -m dataset_script --external")
    arguments.out.mkdir(parents=True, exist_ok=True)
    book, budget = arguments.out / "trials.jsonl", trial.Budget(arguments.size, arguments.epochs)
    parts = trial.load(arguments.dataset, arguments.external)
    names = [name for name in INTERVENTIONS if not arguments.only or name in (*arguments.only, BASELINE)]
    for seed in arguments.seeds:
        for group in _groups(names):
            _run(group, seed, parts, budget, book)
    if arguments.log:
        arguments.log.write_text(log.write(_read(book), parts, budget, _shell_command(arguments)), encoding="utf-8")
        print(arguments.log)


def _groups(names: Sequence[str]) -> list[list[str]]:
    """Trials that share a training run, in the order of their first."""
    groups: dict[Intervention, list[str]] = {}
    for name in names:
        groups.setdefault(INTERVENTIONS[name].training, []).append(name)
    return list(groups.values())


def _run(group: Sequence[str], seed: int, parts: Mapping[str, trial.Images], budget: trial.Budget, book: Path) -> None:
    """Run the trials of a group that are missing from the book, and append them."""
    done = {(record.intervention, record.seed) for record in _read(book)}
    missing = {INTERVENTIONS[name].keep: name for name in group if (name, seed) not in done}
    if not missing:
        return
    training = INTERVENTIONS[group[0]].training
    label = f"{' + '.join(missing.values())}, seed {seed}"
    margins, seconds = trial.run(training, missing, seed, parts, budget, label)
    with book.open("a", encoding="utf-8") as stream:
        for keep, name in missing.items():
            scores = {part: values.tolist() for part, values in margins[keep].items()}
            stream.write(json.dumps({"intervention": name, "seed": seed, "seconds": seconds} | scores) + "\n")


def _read(book: Path) -> list[log.Record]:
    lines = book.read_text(encoding="utf-8").splitlines() if book.is_file() else []
    return [_record(json.loads(line)) for line in lines]


def _record(fields: dict[str, Any]) -> log.Record:
    """A line of the book; older ones call the intervention `mean`."""
    name = fields.pop("intervention", None) or fields.pop("mean")
    seed, seconds = fields.pop("seed"), fields.pop("seconds")
    return log.Record(name, seed, seconds, {part: np.array(values) for part, values in fields.items()})


def _shell_command(arguments: argparse.Namespace) -> str:
    """The command that repeats the series; of folders only the names, so that no log holds a path of this machine."""
    data = f"data/{arguments.dataset.resolve().name}"
    words = ["--dataset", data, "--external", f"{data}/external/{arguments.external.resolve().name}"]
    words += ["--out", f"runs/{arguments.out.resolve().name}", "--seeds", *map(str, arguments.seeds)]
    words += ["--size", str(arguments.size), "--epochs", str(arguments.epochs)]
    words += ["--only", *arguments.only] if arguments.only else []
    return shlex.join(["python", "-m", "experiments", *words])


if __name__ == "__main__":
    sys.exit(main())
