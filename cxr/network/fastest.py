"""The fastest of several ways on this machine: measured once, and remembered for it and the versions at hand.

What a processor lists says little about what is fast: on a virtual machine that lists AVX-512 BF16 and has
no AMX, bfloat16 runs at half the rate of float32.
"""

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub

from cxr.parallel import cores

WORTH = 1.1
"""By how much another way must be faster than the first one to be taken: it rounds, and a measurement varies."""

_SECONDS = 0.4
_CPU_FACTS = ("model name", "flags", "Features", "CPU part")

Prepare = Callable[[], Callable[[], object]]
"""Makes a way ready, and returns what is timed."""


@dataclass(frozen=True)
class Fastest:
    """The way that was chosen, and the seconds that one turn of each takes; none were measured of a single way."""

    name: str
    seconds: Mapping[str, float]

    def __str__(self) -> str:
        """ "bf16: 2.1 times fp32 here"; the name alone where there was no choice."""
        others = {name: seconds for name, seconds in self.seconds.items() if name != self.name}
        if not others:
            return self.name
        rival = min(others, key=lambda name: others[name])
        return f"{self.name}: {others[rival] / self.seconds[self.name]:.1f} times {rival} here"


def fastest(ways: Mapping[str, Prepare], **key: str) -> Fastest:
    """The fastest way; the first one unless another is `WORTH` it.

    `key` names the task: network, size, versions of libraries. The measurement takes under a second for each way and is
    kept in `HF_HOME` for this processor, number of cores and key, so that a container on another machine measures
    again. A single way is not measured.
    """
    if len(ways) == 1:
        return Fastest(next(iter(ways)), {})
    name = _digest(key | _machine())
    seconds = _remembered(name, ways)
    if not seconds:
        seconds = {way: _time(prepare()) for way, prepare in ways.items()}
        _remember(name, seconds)
    first, best = next(iter(ways)), min(seconds, key=seconds.__getitem__)
    return Fastest(best if seconds[first] >= WORTH * seconds[best] else first, seconds)


def _remembered(name: str, ways: Mapping[str, Prepare]) -> dict[str, float]:
    """The seconds of every way, empty if they are not known."""
    known = _read().get(name)
    if not isinstance(known, dict) or known.keys() != ways.keys():
        return {}
    usable = all(isinstance(seconds, float) and seconds > 0 for seconds in known.values())
    return known if usable else {}


def _time(run: Callable[[], object]) -> float:
    """The least seconds of a turn, after one that warms up: other loads only ever add to it."""
    run()
    taken: list[float] = []
    start = time.perf_counter()
    while not taken or time.perf_counter() - start < _SECONDS:
        begin = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def _machine() -> dict[str, str]:
    """What makes another machine another one: processor and the number of cores that this process may use."""
    facts = {"machine": platform.machine(), "processor": platform.processor(), "cores": str(cores())}
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
        pairs = (line.partition(":")[::2] for line in lines)
        facts |= {name.strip(): value.strip() for name, value in pairs if name.strip() in _CPU_FACTS}
    return facts


def _digest(facts: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _file() -> Path:
    return Path(huggingface_hub.constants.HF_HOME) / "covid_cxr_fastest.json"


def _read() -> dict[str, dict[str, float]]:
    """What was measured before; a file that cannot be read or used counts as none."""
    with suppress(OSError, ValueError):
        known = json.loads(_file().read_text(encoding="utf-8"))
        if isinstance(known, dict):
            return known
    return {}


def _remember(name: str, seconds: Mapping[str, float]) -> None:
    """Keep a measurement; where nothing can be written, the next start measures again."""
    file = _file()
    draft = file.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(_read() | {name: dict(seconds)}), encoding="utf-8")
        draft.replace(file)
