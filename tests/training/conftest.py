"""A tiny training run, and variants of the prepared phantoms that the tests of training need."""

import shutil
from pathlib import Path

import datasets
import pytest
from support import tiny_run


@pytest.fixture
def command(dataset: Path, backbone: str, tmp_path: Path) -> list[str]:
    """A complete tiny training run into `tmp_path/run`; later flags win."""
    return tiny_run(dataset, backbone, tmp_path / "run")


@pytest.fixture(scope="session")
def sharded(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The phantoms of `dataset` in three files a split, of row groups of four: as a large dataset lies on the disk."""
    out = tmp_path_factory.mktemp("sharded") / "phantoms"
    for split, rows in datasets.load_dataset(str(dataset)).items():
        for number in range(3):
            part = rows.shard(3, number, contiguous=True)
            part.to_parquet(out / "data" / f"{split}-{number:05d}-of-00003.parquet", batch_size=4)
    shutil.copy(dataset / "report.json", out)
    return out
