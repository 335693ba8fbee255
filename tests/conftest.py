"""What all tests share: an embedded Hub per worker, an environment that knows no other, and the ways to run things."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

os.environ["OMP_NUM_THREADS"] = "1"  # read when numpy, torch and scikit-learn are imported: one thread for each worker

from faults import Faults
from support import ROOT, Train, save_tiny_backbone

from cxr.local_hub import LocalHub, environment

BACKBONE = "demo/tiny-backbone"
Run = Callable[..., subprocess.CompletedProcess[str]]


class FaultyHub(LocalHub):
    """The embedded Hub with `faults` to add."""

    def __init__(self, root: Path, **options: object):
        self.faults = Faults()
        super().__init__(root, middleware=self.faults.wrap, **options)


# huggingface_hub, datasets and transformers read their settings at import: the Hub must run before any test module.
_HOME = Path(tempfile.mkdtemp(prefix="cxr-tests-"))
_HUB = FaultyHub(_HOME / "hub").start()
_ENV = environment(_HUB.url, _HOME / "hf") | {"OMP_NUM_THREADS": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
for _name in os.environ.keys() - _ENV.keys():
    del os.environ[_name]
os.environ.update(_ENV)


def pytest_unconfigure() -> None:
    _HUB.stop()
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _no_wait_for_reading_threads() -> None:
    """`datasets` sleeps five seconds after each pass over a stream, lest Python ends while a thread still reads."""
    import datasets

    datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN = 0


@pytest.fixture
def hub() -> Iterator[FaultyHub]:
    """The worker's Hub, also HF_ENDPOINT of this process and of `env`; faults end with the test."""
    yield _HUB
    _HUB.faults.clear()


@pytest.fixture
def env(hub: FaultyHub) -> dict[str, str]:
    """The environment for child processes: this Hub, an HF_HOME of the tests' own, one thread."""
    return dict(_ENV)


@pytest.fixture
def run_cli(env: dict[str, str]) -> Run:
    """Run `python ARGS` in the project's root, e.g. `run_cli(["-m", "cxr.local_hub", "--help"])`.

    It imports this checkout, whatever is installed.
    """
    here = env | {"PYTHONPATH": str(ROOT)}

    def run(args: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        settings = {"cwd": ROOT, "env": here, "capture_output": True, "text": True, "timeout": 300} | options
        return subprocess.run([sys.executable, *map(str, args)], check=False, **settings)

    return run


@pytest.fixture(scope="session")
def train_here() -> Train:
    """Train in this process, which spares the seconds of another one's imports; returns the `model/` folder."""
    from cxr.training import run

    def train(*command: object) -> Path:
        args = list(map(str, command))
        assert run.main(args[1:]) == 0
        return Path(args[len(args) - args[::-1].index("--output_dir")]) / "model"

    return train


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 phantoms at the short side that a 32-pixel network needs."""
    from raw import prepare

    out = tmp_path_factory.mktemp("prepared") / "phantoms"
    prepare(out, "phantom=64", image_size=36, audit=True, search=False)
    return out


@pytest.fixture(scope="session")
def with_external(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The phantoms of `dataset`, with other phantoms kept aside as the external set `external/clinic`."""
    from PIL import Image
    from raw import prepare

    from cxr.phantom import draw_phantom
    from cxr.schema.labels import LABELS

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
def backbone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny stand-in with random weights and ten classes, pulled from the Hub as users pull `microsoft/resnet-50`."""
    from huggingface_hub import HfApi

    folder = tmp_path_factory.mktemp("backbone")
    HfApi().create_repo(BACKBONE, exist_ok=True)
    HfApi().upload_folder(repo_id=BACKBONE, folder_path=save_tiny_backbone(folder))
    return BACKBONE


@pytest.fixture(scope="session")
def finished(dataset: Path, backbone: str, train_here: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `model/` folder of one finished tiny run."""
    out = tmp_path_factory.mktemp("finished") / "run"
    flags = ["--input_size", "32", "--num_train_epochs", "2", "--precision", "fp32", "--use_cpu"]
    where = ["--dataset", str(dataset), "--backbone", backbone, "--output_dir", str(out)]
    return train_here("train_hf.py", *where, *flags)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real X-rays beside the project, where there are any."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data: real-data tests need it")
    return folder


def _chromium() -> str | None:
    names = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    return found or _playwrights_own()


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).is_file() else None


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium; without one the test skips, or fails where REQUIRE_CHROMIUM=1 says there must be one."""
    path = _chromium()
    if path is None:
        missing = pytest.fail if os.environ.get("REQUIRE_CHROMIUM") == "1" else pytest.skip
        missing("no Chromium found: run `make chromium`")
    return path


_DISABLED = ("gpu", "quic", "background-networking", "component-update", "sync")
_ARGUMENTS = ["--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in _DISABLED)]


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Load a benchmark by its file: names such as `coverage` are also those of installed packages."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", ROOT / "benchmarks" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    return load
