"""How much slower training steps get beside busy neighbours, by how threads wait for each other.

OpenMP's threads wait at the end of every operation, by default by spinning: beside a neighbour that has one of their
processors, all others burn theirs until the last one has had its turn. Each way of waiting gets processes of its own,
which take steps of a ResNet-50 in float32 alone, beside one and beside two busy processes, in turn. Prints the median
seconds of a step, and how many times that is the best time alone.

    python benchmarks/neighbours.py [--size 224] [--batch 8] [--steps 5] [--rounds 3]
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence

from measure import ROOT, make_parser

WAYS = {
    "default": {},
    "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"},
    "GOMP_SPINCOUNT=10000": {"GOMP_SPINCOUNT": "10000"},
    "GOMP_SPINCOUNT=100000": {"GOMP_SPINCOUNT": "100000"},
    "OMP_WAIT_POLICY=passive": {"OMP_WAIT_POLICY": "passive"},
}
"""Environments of the processes; what this one was started with has no part in them."""

NEIGHBOURS = (0, 1, 2)
_BUSY = "while True: pass"
_STEPS = """
import sys, time, torch
from transformers import ResNetConfig, ResNetForImageClassification
size, batch, steps = map(int, sys.argv[1:])
torch.manual_seed(0)
model = ResNetForImageClassification(ResNetConfig(num_labels=2)).train()
model = model.to(memory_format=torch.channels_last)
optimizer = torch.optim.AdamW(model.parameters())
images = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
labels = torch.arange(batch) % 2
def step():
    optimizer.zero_grad()
    model(pixel_values=images, labels=labels).loss.backward()
    optimizer.step()
step()
for _ in range(steps):
    start = time.perf_counter()
    step()
    print(time.perf_counter() - start)
"""


def main(arguments: list[str] | None = None) -> None:
    """Print a line for each way of waiting."""
    parser = make_parser(__doc__)
    parser.add_argument("--size", type=int, default=224, help="side of the images (%(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="images of a step (%(default)s)")
    parser.add_argument("--steps", type=int, default=5, help="steps of a process (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each way and number (%(default)s)")
    options = parser.parse_args(arguments)
    taken: dict[tuple[str, int], list[float]] = defaultdict(list)
    for _ in range(options.rounds):
        for way in WAYS:
            for neighbours in NEIGHBOURS:
                taken[way, neighbours] += steps(way, neighbours, options)
    median = {key: statistics.median(seconds) for key, seconds in taken.items()}
    best = min(seconds for (_, neighbours), seconds in median.items() if not neighbours)
    for way in WAYS:
        cells = (f"{median[way, n]:6.2f} s ({median[way, n] / best:4.2f})" for n in NEIGHBOURS)
        print(f"{way:<26}" + "  ".join(f"{n} busy {cell}" for n, cell in zip(NEIGHBOURS, cells, strict=True)))


def steps(way: str, neighbours: int, options: argparse.Namespace) -> list[float]:
    """The seconds of each step of one process beside so many busy ones."""
    sizes = [str(options.size), str(options.batch), str(options.steps)]
    return seconds_beside(neighbours, ["-c", _STEPS, *sizes], WAYS[way])


def seconds_beside(neighbours: int, arguments: Sequence[str], environment: Mapping[str, str]) -> list[float]:
    """The seconds that a Python process prints, a line each, beside so many busy ones."""
    unset = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")
    env = {name: value for name, value in os.environ.items() if name not in unset} | dict(environment)
    busy = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(neighbours)]
    try:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    return [float(line) for line in done.stdout.split()]


if __name__ == "__main__":
    main()
