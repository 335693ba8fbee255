import json
import math
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import huggingface_hub
import pytest
from gradio_client import Client, handle_file
from huggingface_hub import HfApi
from safetensors.torch import load_file, save_file
from tiny import Published, save_tiny

import app
from cxr.errors import UserError
from cxr.imaging import reader
from cxr.serving.loading import OUTAGE
from cxr.serving.predictor import Predictor
from cxr.serving.self_check import check_on_phantoms
from cxr.serving.web.model_choice import choose_model

Serve = Callable[..., AbstractContextManager[str]]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """No model in the environment, no README beside the app."""
    for name in ("MODEL_ID", "MODEL_REVISION", "SPACE_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(app, "README", tmp_path / "README.md")


def choose(*args: str) -> tuple[str | None, str | None]:
    parsed = app.parser().parse_args(args)
    return choose_model(parsed.model, parsed.revision, app.README)


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.read().decode()


def test_nothing_named_is_no_model():
    assert choose() == (None, None)


@pytest.mark.parametrize("models", ["models: [a/first, a/second]", "models:\n- a/first", "models: a/first"])
def test_readme_names_the_model(models: str):
    app.README.write_text(f"---\ntitle: X\n{models}\n---\n# X\n")
    assert choose() == ("a/first", None)


@pytest.mark.parametrize("front", ["", "---\ntitle: X\n---\n", "---\nmodels: []\n---\n", "---\nmodels:\n---\n"])
def test_a_readme_without_models_names_none(front: str):
    app.README.write_text(front + "# X\n")
    assert choose() == (None, None)


def test_environment_wins_over_readme_and_flag_over_both(monkeypatch: pytest.MonkeyPatch):
    app.README.write_text("---\nmodels: [a/readme]\n---\n")
    monkeypatch.setenv("MODEL_ID", "a/env")
    monkeypatch.setenv("MODEL_REVISION", "v1")
    assert choose() == ("a/env", "v1")
    assert choose("--revision", "v2") == ("a/env", "v2")
    assert choose("--model", "a/flag", "--revision", "v2") == ("a/flag", "v2")
    assert choose("--model", "a/flag") == ("a/flag", None)


PIN = "0123456789abcdef0123456789abcdef01234567"


def test_the_readme_pins_the_revision_that_its_space_preloads(monkeypatch: pytest.MonkeyPatch):
    preloaded = f"[a/other x.json {'f' * 40}, 'a/first config.json,model.safetensors {PIN}']"
    app.README.write_text(f"---\nmodels: [a/first]\npreload_from_hub: {preloaded}\n---\n")
    assert choose() == ("a/first", PIN)
    assert choose("--revision", "v2") == ("a/first", "v2")
    assert choose("--model", "a/flag") == ("a/flag", None)
    monkeypatch.setenv("MODEL_REVISION", "v1")
    assert choose() == ("a/first", "v1")
    monkeypatch.setenv("MODEL_ID", "a/env")
    monkeypatch.delenv("MODEL_REVISION")
    assert choose() == ("a/env", None)


@pytest.mark.parametrize("preloaded", ["a/first", "a/first config.json", "b/first config.json " + PIN])
def test_what_is_preloaded_without_a_commit_pins_nothing(preloaded: str):
    app.README.write_text(f"---\nmodels: [a/first]\npreload_from_hub: [{preloaded}]\n---\n")
    assert choose() == ("a/first", None)


def test_addresses_here_and_on_a_space(monkeypatch: pytest.MonkeyPatch):
    args = app.parser().parse_args([])
    assert app.address(args) == ("127.0.0.1", None)
    monkeypatch.setenv("SPACE_ID", "a/space")
    assert app.address(args) == ("0.0.0.0", 7860)
    assert app.address(app.parser().parse_args(["--host", "127.0.0.1", "--port", "81"])) == ("127.0.0.1", 81)


def _broken_readme() -> list[str]:
    app.README.write_text("---\nmodels: [a/b\n---\n")
    return []


def _unknown_model() -> list[str]:
    return ["--model", "missing/model"]


def _unknown_host() -> list[str]:
    return ["--host", "256.1.1.1", "--port", "8123", "--model", "missing/model"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(_unknown_model, "missing/model was not found"), (_broken_readme, "README.md"), (_unknown_host, "--host")],
)
def test_bad_input_is_one_line(arguments: Callable[[], list[str]], said: str, capsys: Capture):
    assert app.main(arguments()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert said in line


def test_a_taken_port_is_known_before_the_model_is_pulled(capsys: Capture):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert app.main(["--model", "missing/model", "--port", str(port)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f":{port}" in line
    assert "--port" in line
    assert "missing" not in line


@pytest.mark.parametrize("port", ["0", "65536", "-1", "web"])
def test_a_port_that_is_none(port: str, capsys: Capture):
    with pytest.raises(SystemExit) as ended:
        app.main(["--port", port])
    assert ended.value.code == 2
    assert "--port" in capsys.readouterr().err


def test_without_a_model_the_page_shows_the_ways_forward(serve: Serve, tmp_path: Path):
    alone = shutil.copy(app.__file__, tmp_path / "app.py")
    with serve(app=alone) as url:
        shown = page(url)
    assert "No model was named" in shown
    assert all(way in shown for way in ("--model", "models:", "make demo"))


def test_a_space_without_its_model_says_so(serve: Serve):
    with serve("--host", "127.0.0.1", env={"SPACE_ID": "a/space", "MODEL_ID": "missing/model"}) as url:
        shown = page(url)
    assert "missing/model was not found" in shown
    assert "MODEL_ID" in shown


def test_a_space_whose_hub_is_down_says_so(serve: Serve):
    closed = {"SPACE_ID": "a/space", "MODEL_ID": "a/b", "HF_ENDPOINT": "http://127.0.0.1:9"}
    with serve("--host", "127.0.0.1", env=closed) as url:
        assert "annot reach http://127.0.0.1:9" in page(url)


def test_environment_and_readme_lead_to_an_answering_app(serve: Serve, published: Published, tmp_path: Path):
    alone = shutil.copy(app.__file__, tmp_path / "app.py")
    (tmp_path / "README.md").write_text(f"---\nmodels: [{published.repo_id}]\n---\n")
    with serve(app=alone, env={"MODEL_REVISION": published.revision[:10]}) as url:
        assert "/predict" in page(f"{url}gradio_api/info")


@pytest.fixture
def short_hub_timeout(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Hub that does not answer is given up after a second."""
    monkeypatch.setenv("CXR_HUB_TIMEOUT", "1")
    huggingface_hub.close_session()
    yield
    huggingface_hub.close_session()


OUTAGES = [{"status": 500}, {"hang": True}]


@pytest.mark.usefixtures("short_hub_timeout")
@pytest.mark.parametrize("outage", OUTAGES, ids=["500", "hang"])
def test_without_the_hub_the_last_revision_pulled_is_served_with_a_banner(
    published: Published, hub, xray: Path, outage
):
    Predictor.load(published.repo_id)
    hub.faults.add(times=None, **outage)
    page, printed = app.build_page(app.parser().parse_args(["--model", published.repo_id]))
    assert f"Serving the last revision downloaded.\nAnswering with {published.repo_id}@{published.revision}" in printed
    assert OUTAGE in json.dumps(page.get_config_file())
    answer = Predictor.load(published.repo_id).predict(reader.read_radiograph(xray))
    assert answer.revision == published.revision
    assert OUTAGE in answer.notice


@pytest.mark.usefixtures("short_hub_timeout")
def test_a_name_that_was_never_pulled_is_not_answered_by_another(published: Published, hub):
    HfApi().create_tag(published.repo_id, tag="v7")
    Predictor.load(published.repo_id)
    hub.faults.add(times=None, status=503)
    with pytest.raises(UserError, match="HTTP 503"):
        Predictor.load(published.repo_id, "v7")


def test_a_missing_revision_is_no_outage(published: Published):
    Predictor.load(published.repo_id)
    with pytest.raises(UserError, match="has no revision 'v99'"):
        Predictor.load(published.repo_id, "v99")


@pytest.mark.usefixtures("short_hub_timeout")
@pytest.mark.parametrize("outage", OUTAGES, ids=["500", "hang"])
def test_without_hub_and_cache_one_line_shows_three_ways_forward(hub, outage, capsys: Capture):
    hub.faults.add(times=None, **outage)
    assert app.main(["--model", "demo/never-pulled"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert all(way in line for way in ("HTTP 500 for" if "status" in outage else "HF_ENDPOINT", "folder", "make demo"))


@pytest.fixture
def on_phantoms(tmp_path: Path) -> Path:
    """A model that claims to know phantoms, and does: one whose answers happen to rank a few of them right."""
    model = save_tiny(tmp_path / "model", synthetic_data=True)
    model.classifier[1].weight.data *= -1
    model.save_pretrained(tmp_path / "model")
    (tmp_path / "model/metrics.json").write_text('{"test": {"auroc": 0.97}}')
    return tmp_path / "model"


def test_a_model_that_knows_phantoms_passes_its_self_check(on_phantoms: Path):
    check_on_phantoms(Predictor.load(str(on_phantoms)))


@pytest.mark.parametrize(("weight", "said"), [(-1, "but now gives those with lesions"), (math.nan, "not finite")])
def test_a_failing_self_check_is_one_line(on_phantoms: Path, weight: float, said: str, capsys: Capture):
    weights = load_file(on_phantoms / "model.safetensors")
    weights["classifier.1.weight"] *= weight
    save_file(weights, on_phantoms / "model.safetensors", {"format": "pt"})
    assert app.main(["--model", str(on_phantoms)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_model_that_claims_nothing_about_phantoms_need_only_answer(on_phantoms: Path):
    (on_phantoms / "metrics.json").write_text('{"test": {"auroc": 0.51}}')
    check_on_phantoms(Predictor.load(str(on_phantoms)))


FAKE_SPACES = """import os, sys
early = [name for name in ("torch", "gradio", "transformers") if name in sys.modules]
print("imported before spaces:", early, flush=True)

def GPU(function):
    def lent(*args):
        with open(os.environ["LENT"], "a") as log:
            log.write(function.__name__)
        return function(*args)
    return lent
"""


def test_spaces_is_imported_first_and_lends_its_gpu_for_each_answer(serve: Serve, on_phantoms: Path, xray: Path):
    home = on_phantoms.parent
    (home / "spaces.py").write_text(FAKE_SPACES)
    env = {"PYTHONPATH": f"{home}:{Path(app.__file__).parent}", "LENT": str(home / "lent"), "SPACES_ZERO_GPU": "true"}
    told = subprocess.run(
        [sys.executable, "-c", "import cxr.serving.web.server"],
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "imported before spaces: []\n"
    with serve("--model", str(on_phantoms), env=env) as url:
        assert not (home / "lent").exists()
        Client(url, verbose=False).predict(handle_file(str(xray)), api_name="/predict")
    assert (home / "lent").read_text() == "explain"
