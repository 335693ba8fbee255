"""Everything that is said about speed, measured in one run against peers, with its targets: `make bench`.

Each row is measured in a process of its own, and what fails in one leaves the others alone. Writes RESULTS.md,
results.json and results.png; exit code 1 if a row failed. A target that was missed is no failure. With `--only`, rows
that were measured before on the same machine, with the same commit and packages, stay.

    python benchmarks/bench.py [--out benchmarks] [--only ROW ...] [--model ID|DIR] [--device cuda] [--quick]
"""

import argparse
import dataclasses
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import results
from measure import ROOT, make_parser
from rows.machine import facts
from rows.record import NotMeasured, Outcome, Row, Settings, lines_of, outcome_from
from rows.registry import ROWS
from tqdm import tqdm

_REAL_DATA = ROOT.parent / "shared" / "data"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the rows, write what was found, and say in one line each what became of them."""
    options = _parser().parse_args(arguments)
    if options.outcome:
        return _measure_here(ROWS[options.only[0]], options)
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    rows = [ROWS[name] for name in options.only or ROWS]
    machine = facts(options.device, options.quick)
    measured = results.measured_before(options.out, machine) if options.only else {}
    for row in tqdm(rows, desc="rows", unit="row"):
        outcome = _measure_apart(row, options)
        command = shlex.join(["python", *_command(row, argparse.Namespace(**vars(options) | _shown(options)))])
        measured[row.name] = results.Measured(lines_of(row, outcome), command)
        tqdm.write(f"{row.name}: {outcome.problem or 'measured'} ({outcome.seconds:.0f} s)")
        results.write(options.out, machine, [measured[name] for name in ROWS if name in measured])
    print(f"{options.out / results.PAGE}")
    return int(any(line.verdict == "failed" for row in rows for line in measured[row.name].lines))


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "bench", help="folder of the results (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=ROWS, metavar="ROW", help=f"one or more of {', '.join(ROWS)}")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="%(default)s")
    parser.add_argument("--quick", action="store_true", help="tiny networks: tries the code, says nothing about speed")
    parser.add_argument("--model", metavar="ID|DIR", help="published model that answers, instead of random weights")
    parser.add_argument("--data", type=Path, help="folder with real radiographs (../shared/data where there is one)")
    parser.add_argument("--keras", metavar="PYTHON", help="Python of an environment with TensorFlow, for head_recipe")
    parser.add_argument(
        "--demo", action="store_true", help="run the demo, instead of reading the record of the last one"
    )
    parser.add_argument("--outcome", type=Path, help=argparse.SUPPRESS)  # measures in this process, writes this file
    return parser


def _command(row: Row, options: argparse.Namespace) -> list[str]:
    """The arguments that repeat a row."""
    flags = ["--device", options.device] if options.device != "cpu" else []
    flags += ["--quick"] if options.quick else []
    flags += ["--demo"] if options.demo and row.name == "demo" else []
    for name in ("model", "data", "keras"):
        flags += [f"--{name}", str(getattr(options, name))] if getattr(options, name) else []
    return ["benchmarks/bench.py", "--only", row.name, *flags]


def _shown(options: argparse.Namespace) -> dict[str, str]:
    """The options that hold paths of this machine, as the page names them."""
    return {"keras": "KERAS/bin/python"} if options.keras else {}


def _measure_apart(row: Row, options: argparse.Namespace) -> Outcome:
    """Measure a row in a process of its own, which may end as it likes."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder) / "outcome.json"
        command = [sys.executable, *_command(row, options), "--outcome", str(file)]
        done = subprocess.run(command, cwd=ROOT)
        if not file.is_file():
            return Outcome(problem=f"failed: its process ended with code {done.returncode}")
        return outcome_from(json.loads(file.read_text(encoding="utf-8")))


def _measure_here(row: Row, options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        data = options.data or (_REAL_DATA if _REAL_DATA.is_dir() and not options.quick else None)
        settings = Settings(
            Path(scratch), options.device, options.quick, options.model, data, options.keras, options.demo
        )
        outcome = measure(row, settings)
    options.outcome.write_text(json.dumps(dataclasses.asdict(outcome)), encoding="utf-8")
    return 0


def measure(row: Row, settings: Settings) -> Outcome:
    """Measure a row; whatever goes wrong becomes its problem, because the other rows are still worth having."""
    start = time.perf_counter()
    try:
        if settings.device not in row.devices:
            raise NotMeasured(f"it says nothing about {settings.device}")
        return Outcome(row.measure(settings), seconds=time.perf_counter() - start)
    except NotMeasured as reason:
        return Outcome(problem=f"not measured: {reason}", seconds=time.perf_counter() - start)
    except (Exception, SystemExit) as error:
        what = str(error).strip().splitlines() or [type(error).__name__]
        return Outcome(problem=f"failed: {what[-1]}", seconds=time.perf_counter() - start)


if __name__ == "__main__":
    sys.exit(main())
