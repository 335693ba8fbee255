"""Every fault of a Hub in the way of commands that pull and push: `benchmarks/hub_faults.py` tries all of them."""

import uuid
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from PIL import Image
from raw import prepare
from tiny import save_tiny

from cxr.local_hub import LocalHub
from cxr.phantom import draw_phantom

LIMIT = 1.5
FAULTS = (
    *("401", "403", "404", "409", "429", "500", "503", "429, Retry-After: 3600", "503, Retry-After: 3600"),
    *("slow", "a byte in 0.2 s", "hang on HEAD", "hang on GET", "hang on PUT", "hang on POST", "drop"),
    *("wrong bytes", "wrong bits", "no Hub's answer", "redirect", "redirect of GET"),
)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch):
    """A short time limit, and hardly a pause between two tries."""
    monkeypatch.setenv("CXR_HUB_TIMEOUT", str(LIMIT))
    huggingface_hub.close_session()
    for module in (huggingface_hub.utils._http, huggingface_hub.file_download):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=lambda seconds: None))
    yield
    huggingface_hub.close_session()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path, Path]:
    """A model, a dataset, an image, and a folder to write to."""
    root = tmp_path_factory.mktemp("faults")
    save_tiny(root / "model")
    prepare(root / "dataset", "phantom=24", image_size=36, search=False)
    Image.fromarray(draw_phantom(1, 1).image).save(root / "image.png")
    return root / "model", root / "dataset", root / "image.png", root


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory):
    """A server to be redirected to, and the headers of the requests that it got."""
    with LocalHub(tmp_path_factory.mktemp("other") / uuid.uuid4().hex, middleware=Recording) as server:
        yield server


class Recording:
    seen: list[dict[bytes, bytes]] = []  # noqa: RUF012

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        Recording.seen.append(dict(scope["headers"]))
        await self.app(scope, receive, send)


@pytest.mark.parametrize(
    ("name", "path", "fault"),
    [
        *(("pull a model", "/resolve/", fault) for fault in FAULTS),
        *(("push a dataset", "/commit/", fault) for fault in FAULTS),
        *(("push a dataset", "/lfs/", fault) for fault in ("500", "hang on PUT", "drop", "redirect")),
    ],
)
def test_a_fault_ends_in_time_in_one_line_and_the_rerun_works(benchmark, hub, other, folders, name, path, fault):
    trial = benchmark("hub_faults")
    assert set(FAULTS) == set(trial.FAULTS)
    what = dict(trial.FAULTS[fault])
    if fault.startswith("redirect"):
        what["headers"] = {"Location": f"{other.url}/elsewhere"}
    outcome = trial.try_fault(hub.faults, trial.operations(*folders)[name], what, path)
    assert outcome.is_right(LIMIT), outcome
    assert not any(b"authorization" in headers for headers in Recording.seen)
