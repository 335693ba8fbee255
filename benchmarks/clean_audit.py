"""How often the audit raises a false alarm: over 20 sets of 600 clean phantoms, one flagged probe is tolerated.

Every seed draws phantoms of its own, which are prepared like any collection, including the duplicate search and the
audit. Exit code 1 if there are more false alarms.

    python benchmarks/clean_audit.py [--seeds 20] [--images 600]
"""

import json
import subprocess
import tempfile
from pathlib import Path

from measure import ROOT, make_parser, phantoms, preparation
from PIL import Image

TOLERATED = 1


def main(arguments: list[str] | None = None) -> None:
    """Print the verdict for every seed, then the number of false alarms."""
    parser = make_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many sets of phantoms (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (%(default)s)")
    parser.add_argument("--images", "--pictures", type=int, default=600, help="phantoms in a set (%(default)s)")
    options = parser.parse_args(arguments)
    alarms = 0
    for seed in range(options.first, options.first + options.seeds):
        with tempfile.TemporaryDirectory() as scratch:
            audit = _audit(Path(scratch), seed, options.images)
        alarms += any(probe["shouts"] for probe in audit["probes"])
        print(f"seed {seed}: {audit['verdict']}", flush=True)
    print(f"false alarms: {alarms} of {options.seeds}")
    if alarms > TOLERATED:
        raise SystemExit(1)


def _audit(folder: Path, seed: int, count: int) -> dict:
    """The report's audit of `count` phantoms, none of which is drawn for another seed."""
    lines = ["file,label,patient_id"]
    for number, pixels in enumerate(phantoms(count, first=seed * count)):
        Image.fromarray(pixels).save(folder / f"{number}.png", compress_level=1)
        lines.append(f"{number}.png,{number % 2},{number}")
    table = folder / "table.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    command = preparation(table, 146, "--seed", str(seed))
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))["audit"]


if __name__ == "__main__":
    main()
