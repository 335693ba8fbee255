"""Publication where a disk is full or read-only: the folder of the model, or the cache that it is pulled back into."""

import shutil
import uuid
from pathlib import Path

import huggingface_hub
import pytest
from disks import FULL, READ_ONLY, Disk, contents, needs_root
from huggingface_hub import HfApi

from cxr.training import publish

pytestmark = needs_root


@pytest.fixture
def repo() -> str:
    return f"demo/disk-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def cache(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk, with the Hub's cache on it."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(disk.path))
    return disk


def commits(repo: str) -> list[str]:
    return [commit.title for commit in HfApi().list_repo_commits(repo) if commit.title != "initial commit"]


@pytest.mark.parametrize("kind", [FULL, READ_ONLY])
def test_a_model_on_such_a_disk_is_published(disk, finished, repo, kind):
    model = Path(shutil.copytree(finished, disk.path / "model"))
    before = contents(model)
    disk.limit(kind)
    assert publish.main([str(model), repo, "--tag", "v1"]) == 0
    assert contents(model) == before


@pytest.mark.parametrize(("kind", "free"), [(FULL, 0), (FULL, 30_000), (READ_ONLY, 0)])
def test_a_cache_on_such_a_disk_ends_a_publication_that_a_rerun_completes(
    cache, finished, repo, fails, recwarn, kind, free
):
    before = contents(finished)
    cache.limit(kind, free)
    error = fails(publish.main, finished, repo, "--tag", "v1")
    assert f"{repo} is published at revision" in error
    assert kind in error
    assert not recwarn.list
    assert f"-m cxr.training.publish {finished}" in error
    assert contents(finished) == before
    cache.release()
    assert publish.main([str(finished), repo, "--tag", "v1"]) == 0
    assert commits(repo) == ["Publish v1"]
