import shutil
import socket
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tiny import Published

import app

Serve = Callable[..., AbstractContextManager[str]]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """No model in the environment, no README beside the app."""
    for name in ("MODEL_ID", "MODEL_REVISION", "SPACE_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(app, "README", tmp_path / "README.md")


def choose(*args: str) -> tuple[str | None, str | None]:
    return app.choose(app.parser().parse_args(args))


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
    return ["--model", "nobody/nothing"]


def _unknown_host() -> list[str]:
    return ["--host", "256.1.1.1", "--port", "8123", "--model", "nobody/nothing"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(_unknown_model, "nobody/nothing was not found"), (_broken_readme, "README.md"), (_unknown_host, "--host")],
)
def test_bad_input_is_one_line(arguments: Callable[[], list[str]], said: str, capsys: Capture):
    assert app.main(arguments()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert said in line


def test_a_taken_port_is_known_before_the_model_is_pulled(capsys: Capture):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert app.main(["--model", "nobody/nothing", "--port", str(port)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f":{port}" in line
    assert "--port" in line
    assert "nobody" not in line


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
    with serve("--host", "127.0.0.1", env={"SPACE_ID": "a/space", "MODEL_ID": "nobody/nothing"}) as url:
        shown = page(url)
    assert "nobody/nothing was not found" in shown
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
