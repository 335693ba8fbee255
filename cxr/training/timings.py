"""Wall times of a run. They lie beside the model folder, whose files the same run makes again byte by byte."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FILE = "timings.json"
"""`training_seconds`, since the last interruption and without evaluation, and `log`, the times in the Trainer's log."""

_TIMED = re.compile(r".*_(runtime|per_second|seconds)")
_SUMMARY = "train_runtime"

Entry = Mapping[str, Any]


def without_times(log: Sequence[Entry]) -> list[dict[str, Any]]:
    """The Trainer's log as a repetition of the run gives it; without its summary of the steps since an interruption.

    Keys are sorted, as they come back from a checkpoint.
    """
    return [
        {key: value for key, value in sorted(entry.items()) if key != "step" and not _TIMED.fullmatch(key)}
        for entry in log
        if _SUMMARY not in entry
    ]


def write_timings(folder: Path, log: Sequence[Entry], training_seconds: float) -> None:
    """Write `timings.json` into a folder."""
    timed = [{key: entry[key] for key in entry if key == "epoch" or _TIMED.fullmatch(key)} for entry in log]
    content = {"training_seconds": training_seconds, "log": [entry for entry in timed if len(entry) > 1]}
    (folder / FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
