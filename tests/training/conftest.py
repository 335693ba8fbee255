"""A prepared phantom dataset and a tiny backbone on the Hub, made once for all tests of training."""

import shutil
from pathlib import Path

import datasets
import pytest
from huggingface_hub import HfApi
from PIL import Image
from raw import prepare
from support import Train, save_tiny_backbone, tiny_run

from cxr.phantom import draw_phantom
from cxr.schema.labels import LABELS

BACKBONE = "demo/tiny-backbone"


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 phantoms at the short side that a 32-pixel network needs."""
    out = tmp_path_factory.mktemp("prepared") / "phantoms"
    prepare(out, "phantom=64", image_size=36, audit=True, search=False)
    return out


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny stand-in with random weights and ten classes, pulled from the Hub as users pull `microsoft/resnet-50`."""
    folder = tmp_path_factory.mktemp("backbone")
    HfApi().create_repo(BACKBONE, exist_ok=True)
    HfApi().upload_folder(repo_id=BACKBONE, folder_path=save_tiny_backbone(folder))
    return BACKBONE


@pytest.fixture
def command(dataset: Path, backbone: str, tmp_path: Path) -> list[str]:
    """A complete tiny training run into `tmp_path/run`; later flags win."""
    return tiny_run(dataset, backbone, tmp_path / "run")


@pytest.fixture(scope="session")
def finished(dataset: Path, backbone: str, train_here: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `model/` folder of one finished tiny run."""
    out = tmp_path_factory.mktemp("finished") / "run"
    flags = ["--input_size", "32", "--num_train_epochs", "2", "--precision", "fp32", "--use_cpu"]
    where = ["--dataset", str(dataset), "--backbone", backbone, "--output_dir", str(out)]
    return train_here("train_hf.py", *where, *flags)


@pytest.fixture(scope="session")
def with_external(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The phantoms of `dataset`, with other phantoms kept aside as the external set `external/clinic`."""
    folder = tmp_path_factory.mktemp("external")
    for seed in range(5000, 5024):
        path = folder / "clinic" / LABELS[seed % 2] / f"{seed}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_phantom(seed, seed % 2).image).save(path)
    out = folder / "out"
    sources = "phantom=64", f"folder={folder / 'clinic'}"
    prepare(out, *sources, image_size=36, search=False, more=["--external", "clinic"])
    return out


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
