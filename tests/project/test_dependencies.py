"""The lock file keeps to the requirements and holds on every platform; advisories about it are found offline."""

import json
import re
import warnings
import zipfile
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version
from support import ROOT, without_precision


@pytest.fixture
def dependencies(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "tools")
    import dependencies

    return dependencies


def test_the_lock_keeps_to_every_requirement(dependencies):
    pinned = dependencies.locked()
    for requirement in dependencies.requirements(ROOT / "requirements-dev.txt"):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


def test_the_lock_holds_on_every_platform():
    """No index, no address, no hash, and no build of one platform, such as torch's "+cpu"."""
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line), line


def test_a_lock_of_this_environment_has_its_versions(dependencies):
    found = dependencies.installed()
    assert Version(found["torch"]) == Version(Version(version("torch")).public)
    assert {"pytest", "tokenizers", "numpy"} <= found.keys()
    assert "covid-cxr" not in found


def advisory(**affected: object) -> dict:
    package = {"ecosystem": "PyPI", "name": "Pillow"}
    return {"id": "X-1", "summary": "Bad", "affected": [{"package": package} | affected]}


def events(*pairs: tuple[str, str]) -> dict:
    return {"ranges": [{"type": "ECOSYSTEM", "events": [dict([pair]) for pair in pairs]}]}


HIT = ["pillow 12.3.0"]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (advisory(versions=["12.3", "9.0"]), HIT),
        (advisory(versions=["12.3.1"]), []),
        (advisory(**events(("introduced", "0"), ("fixed", "12.3.1"))), HIT),
        (advisory(**events(("introduced", "0"), ("fixed", "12.3"))), []),
        (advisory(**events(("introduced", "12.4"))), []),
        (advisory(**events(("introduced", "0"), ("last_affected", "12.3.0"))), HIT),
        (advisory(**events(("introduced", "0"), ("last_affected", "12.2.9"))), []),
        (advisory(**events(("introduced", "0"), ("fixed", "5"), ("introduced", "12.0"))), HIT),
        (advisory(**events(("introduced", "0"), ("fixed", "5"), ("introduced", "12.0"), ("fixed", "12.1"))), []),
        (advisory(**events(("introduced", "0"))) | {"withdrawn": "2026-01-01T00:00:00Z"}, []),
        ({"affected": [{"package": {"ecosystem": "npm", "name": "pillow"}, "versions": ["12.3.0"]}]}, []),
        ({"id": "no packages"}, []),
    ],
)
def test_an_advisory_concerns_the_versions_that_it_names(dependencies, item, expected):
    assert dependencies.concerns(item, {"pillow": Version("12.3.0")}) == expected


@pytest.mark.parametrize("packed", [True, False])
def test_the_audit_reads_a_file_and_fails_on_what_it_finds(dependencies, tmp_path: Path, capsys, packed):
    torch = {"ecosystem": "PyPI", "name": "torch"}
    item = {"id": "X-2", "summary": "Worse", "affected": [{"package": torch} | events(("introduced", "0"))]}
    if packed:
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            archive.writestr("X-2.json", json.dumps(item))
    else:
        (tmp_path / "X-2.json").write_text(json.dumps(item), encoding="utf-8")
    assert dependencies.main(["audit", str(tmp_path / "all.zip" if packed else tmp_path)]) == 1
    assert capsys.readouterr().out.startswith(f"torch {dependencies.locked()['torch']}: X-2 Worse")
    (tmp_path / "none").mkdir()
    assert dependencies.main(["audit", str(tmp_path / "none")]) == 0


def test_the_demo_and_the_suite_install_the_locked_versions():
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "LOCK ?= requirements.lock" in make
    assert make.count("$(PIP_INSTALL) -") == 2
    assert not re.search(r"BIN\)/python -m pip install (?!\$\(if)", make)


def test_no_warning_of_a_library_stands_before_the_answer(tmp_path: Path, capsys):
    from PIL import Image
    from tiny import save_tiny

    import predict
    from cxr.phantom import draw_phantom

    save_tiny(tmp_path / "model")
    Image.fromarray(draw_phantom(1, 1).image).save(tmp_path / "image.png")
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        assert predict.main(["--model", str(tmp_path / "model"), str(tmp_path / "image.png")]) == 0
    silent = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
    assert [str(one.message) for one in shown if not issubclass(one.category, silent)] == []
    assert without_precision(capsys.readouterr().err) == ""
