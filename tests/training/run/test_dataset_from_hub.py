"""A dataset on the Hub: what is damaged in transit or in the cache is fetched again or refused, never trained on."""

import os
import uuid
from pathlib import Path

import pytest

from cxr.errors import UserError
from cxr.training.data.dataset import load
from dataset_script.__main__ import main as prepare
from dataset_script.publish import publish_dataset

NAMES = ("report.json", "README.md", "data/train", "data/test")


@pytest.fixture
def repo(dataset) -> str:
    """A repo that no cache knows."""
    name = f"demo/damaged-{uuid.uuid4().hex[:8]}"
    publish_dataset(dataset, name)
    return name


def hashes(opened) -> list[str]:
    return [one for rows in opened.splits.values() for one in rows["sha256"][:]]


def cached(repo: str, name: str) -> Path:
    snapshots = Path(os.environ["HF_HOME"], "hub", f"datasets--{repo.replace('/', '--')}", "snapshots")
    return next(path for path in snapshots.rglob("*") if name in str(path) and path.is_file())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_damaged_once_is_fetched_again(repo, dataset, hub, name):
    damaged = hub.faults.add(path=name, method="GET", flip=1)
    assert hashes(load(repo, None, 32)) == hashes(load(str(dataset), None, 32))
    assert damaged.hits == 1
    file = cached(repo, name)
    content = file.read_bytes()
    file.resolve().write_bytes(content[:-9] + b"?" + content[-8:])
    load(repo, None, 32)
    assert cached(repo, name).read_bytes() == content


@pytest.mark.parametrize("name", NAMES)
def test_what_is_damaged_each_time_is_refused_in_one_line(repo, hub, name, tmp_path, capsys):
    hub.faults.add(path=name, method="GET", times=None, flip=1)
    with pytest.raises(UserError, match="arrived damaged twice and was deleted"):
        load(repo, None, 32)
    hub.faults.clear()
    load(repo, None, 32)
    if name != "report.json":  # a preparation does not read it
        hub.faults.add(path=name, method="GET", times=None, flip=1)
        cached(repo, name).resolve().write_bytes(b"damaged")
        assert prepare(["--source", f"hub={repo}", "--image_size", "36", "--out", str(tmp_path / "out")]) == 2
        assert "arrived damaged twice" in capsys.readouterr().err
