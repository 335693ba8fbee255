"""Tiny published models and the image files to classify with them."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import HfApi
from PIL import Image
from support import serving
from tiny import Published, measured_heatmaps, save_tiny

from cxr import phantom
from cxr.gate.features import FeatureExtractor
from cxr.gate.fitting import fit_gate
from cxr.imaging.preprocess import load_processor
from cxr.local_hub import USER
from cxr.schema.labels import COVID, LABELS
from cxr.schema.model_repo import GATE
from cxr.serving.predictor import Predictor


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("model")
    save_tiny(folder, synthetic_data=True)
    (folder / "metrics.json").write_text('{"test": {"auroc": 0.6}}')
    repo_id = f"{USER}/tiny-{uuid.uuid4().hex[:8]}"
    HfApi().create_repo(repo_id)
    return Published(repo_id, HfApi().upload_folder(repo_id=repo_id, folder_path=folder).oid, folder)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A tiny model for each test module, ready to answer; its folder may be written to."""
    folder = tmp_path_factory.mktemp("predictor")
    save_tiny(folder)
    return Predictor.load(str(folder))


@pytest.fixture(scope="session")
def xray(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An 8-bit gray PNG of a phantom."""
    path = tmp_path_factory.mktemp("xray") / "phantom.png"
    Image.fromarray(phantom.draw_phantom(11, COVID).image).save(path)
    return path


@pytest.fixture(scope="session")
def xray16(xray: Path) -> Path:
    """The same image in 16 bits, which careless readers clip to white."""
    path = xray.with_name("phantom16.png")
    Image.fromarray(np.asarray(Image.open(xray)).astype(np.uint16) * 257).save(path)
    return path


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "notes.txt"
    path.write_text("not an image at all")
    return path


@pytest.fixture(scope="session")
def app_url(published: Published) -> Iterator[str]:
    """The app, pinned to the published commit."""
    with serving("--model", published.repo_id, "--revision", published.revision) as url:
        yield url


@pytest.fixture(scope="session")
def gate_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gate for the tiny model, fitted on phantoms."""
    folder = tmp_path_factory.mktemp("gated")
    model = save_tiny(folder).eval()
    xrays = [phantom.draw_phantom(seed, seed % 2).image for seed in range(60)]
    extract = FeatureExtractor(model, load_processor(folder))
    fit_gate(extract, xrays[:40], extract(xrays[40:]), seed=0, progress=False).save(folder / GATE)
    return folder / GATE


METRICS = {
    "judgement": "0.97 inside, 0.65 outside (clinic): this model reads the source",
    "external": {"clinic": {"auroc": 0.6512, "n": 1250, "intervals": {"auroc": [0.5512, 0.7312]}}},
    "test": {"auroc": 0.97},
    "heatmaps": measured_heatmaps(0.61, 0.55),
}


@pytest.fixture(scope="session")
def gated(tmp_path_factory: pytest.TempPathFactory, gate_file: Path) -> Path:
    """A model folder with all that a finished run leaves: gate, conformal quantiles, external results."""
    folder = tmp_path_factory.mktemp("finished") / "model"
    save_tiny(folder, conformal={"level": 0.9, "quantiles": dict.fromkeys(LABELS, 0.0)})
    (folder / GATE).write_bytes(gate_file.read_bytes())
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    return folder
