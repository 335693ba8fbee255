"""A tiny published model and a running app to ask."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import HfApi
from PIL import Image
from support import serving
from tiny import Published, save_tiny

from cxr import phantom
from cxr.labels import COVID
from cxr.local_hub import USER


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("model")
    save_tiny(folder, synthetic_data=True)
    (folder / "metrics.json").write_text('{"test": {"auroc": 0.6}}')
    repo_id = f"{USER}/tiny-{uuid.uuid4().hex[:8]}"
    HfApi().create_repo(repo_id)
    return Published(repo_id, HfApi().upload_folder(repo_id=repo_id, folder_path=folder).oid, folder)


@pytest.fixture(scope="session")
def xray(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An 8-bit gray PNG of a phantom."""
    path = tmp_path_factory.mktemp("xray") / "phantom.png"
    Image.fromarray(phantom.draw(11, COVID).image).save(path)
    return path


@pytest.fixture(scope="session")
def xray16(xray: Path) -> Path:
    """The same picture in 16 bits, which careless readers turn white."""
    path = xray.with_name("phantom16.png")
    Image.fromarray(np.asarray(Image.open(xray)).astype(np.uint16) * 257).save(path)
    return path


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "notes.txt"
    path.write_text("no picture at all")
    return path


Serve = Callable[..., Iterator[str]]


@pytest.fixture(scope="session")
def serve() -> Serve:
    return serving


@pytest.fixture(scope="session")
def app_url(published: Published) -> Iterator[str]:
    """The app, pinned to the published commit."""
    with serving("--model", published.repo_id, "--revision", published.revision) as url:
        yield url
