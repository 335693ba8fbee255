"""What a preparation is told to do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The settings of one run; `__main__` documents each."""

    sources: Sequence[str]
    out: Path
    image_size: int = 256
    seed: int = 0
    num_proc: int = 1
    duplicates: str = "drop"
    external: Sequence[str] = field(default_factory=tuple)
    patient_key: Path | None = None
    audit: bool = True
