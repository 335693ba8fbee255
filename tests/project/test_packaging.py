"""What `pip install .` installs: the packages with their data, and the requirements, each written once."""

import tomllib
from fnmatch import fnmatch

import pytest
from support import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]


def test_the_dependencies_are_those_of_the_requirements():
    assert PROJECT["project"]["dynamic"] == ["dependencies"]
    assert SETUPTOOLS["dynamic"]["dependencies"] == {"file": ["requirements.txt"]}


@pytest.mark.parametrize("package", ["cxr", "dataset_script"])
def test_every_folder_of_modules_is_a_package_that_is_installed(package: str):
    assert {package, f"{package}.*"} <= set(SETUPTOOLS["packages"]["find"]["include"])
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("package", ["cxr", "dataset_script"])
def test_every_data_file_of_a_package_is_installed(package: str):
    patterns = SETUPTOOLS["package-data"]["*"]
    data = [path for path in (ROOT / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    left_out = [path for path in data if not any(fnmatch(path.name, pattern) for pattern in ("*.py", *patterns))]
    assert left_out == []
