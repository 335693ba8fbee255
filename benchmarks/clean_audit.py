"""How often the audit cries wolf: over twenty seeds of 600 clean phantoms its verdict may shout once at most.

Each seed draws phantoms of its own, and they are prepared as any collection is, copy search and audit included.

    python benchmarks/clean_audit.py [--seeds 20] [--pictures 600]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from cxr.phantom import draw_phantom

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = 1


def main(arguments: list[str] | None = None) -> None:
    """Print each seed's highest probe and verdict, then how many shouted; exit code 1 if that is too often."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="how many sets of phantoms")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--pictures", type=int, default=600, help="phantoms of a set")
    options = parser.parse_args(arguments)
    shouted = 0
    for seed in range(options.first, options.first + options.seeds):
        with tempfile.TemporaryDirectory() as scratch:
            section = _audited(Path(scratch), seed, options.pictures)
        shouted += any(probe["shouts"] for probe in section["probes"])
        print(f"seed {seed}: {section['verdict']}", flush=True)
    print(f"cried wolf: {shouted} of {options.seeds}")
    if shouted > ALLOWED:
        raise SystemExit(1)


def _audited(folder: Path, seed: int, count: int) -> dict:
    """The audit's section for `count` phantoms, every other one COVID, none of them drawn for another seed."""
    lines = ["file,label,patient_id"]
    for number in range(count):
        Image.fromarray(draw_phantom(seed * count + number, number % 2).image).save(
            folder / f"{number}.png", compress_level=1
        )
        lines.append(f"{number}.png,{number % 2},{number}")
    (folder / "table.csv").write_text("\n".join(lines))
    command = [sys.executable, "-m", "dataset_script", "--source", f"table={folder / 'table.csv'}"]
    settings = ["--image_size", "146", "--seed", str(seed), "--out", str(folder / "out")]
    subprocess.run([*command, *settings], cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))["audit"]


if __name__ == "__main__":
    main()
