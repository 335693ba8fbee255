"""The house stays in order: lint, format, rooms that do not reach into each other, bounded requirements."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

TOOLS = Path(sys.executable).parent


@pytest.mark.parametrize("command", ["ruff check .", "ruff format --check .", "lint-imports"])
def test_linters_find_nothing(command):
    name, *flags = command.split()
    tool = shutil.which(name, path=str(TOOLS))
    assert tool, f"{name} is not installed: pip install -r requirements-dev.txt"
    done = subprocess.run([tool, *flags], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_bounded_at_both_ends(name):
    lines = [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if line and line[0] not in "#-"]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[\w-]+(\[\w+\])?(==[\w.]+|>=[\w.]+,<[\w.]+)", line), line


def test_every_requirement_is_explained_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8").lower()
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            assert re.split(r"[=><\[]", line)[0].lower() in readme, line


def test_space_front_matter_names_the_gradio_that_the_requirements_allow():
    from importlib.metadata import version

    from huggingface_hub import metadata_load

    front = metadata_load(ROOT / "README.md")
    assert front["sdk"] == "gradio"
    assert front["app_file"] == "app.py"
    assert front["python_version"] == "3.11"
    assert front["license"] == "apache-2.0"
    assert len(front["short_description"]) <= 60
    assert front["sdk_version"].split(".")[0] == version("gradio").split(".")[0]
