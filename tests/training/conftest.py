"""A tiny training run, and variants of the prepared phantoms that the tests of training need."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import datasets
import pytest
from disks import Disk
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


@pytest.fixture
def disk(tmp_path) -> Iterator[Disk]:
    made = tmp_path / "disk"
    try:
        small = Disk(made)
    except subprocess.CalledProcessError:
        pytest.skip("this system mounts no disk")
    yield small
    subprocess.run(["umount", "-l", made], check=True)


@pytest.fixture
def fails(capsys) -> Callable[..., str]:
    """Run a command that cannot work; its one line on stderr."""

    def run(main: Callable, *command: object) -> str:
        capsys.readouterr()
        assert main(list(map(str, command))) == 2
        errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        return errors[0]

    return run
