"""What comes from the Hub is compared with its hash: damage is fetched again, or refused, and never loaded later."""

import uuid
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants, hf_hub_download
from support import save_tiny_backbone

from cxr import hub as client
from cxr.errors import UserError

NAMES = ["config.json", "model.safetensors", "preprocessor_config.json", "README.md"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_tiny_backbone(tmp_path_factory.mktemp("damage"))
    (folder / "README.md").write_text("# A card\n" * 50, encoding="utf-8")
    return folder


@pytest.fixture
def repo(source) -> client.Pulled:
    """A repo that no cache knows."""
    name = f"demo/damage-{uuid.uuid4().hex[:8]}"
    HfApi().create_repo(name)
    return client.Pulled(source, name, HfApi().upload_folder(repo_id=name, folder_path=source).oid)


def assert_same(pulled: client.Pulled, source: Path) -> None:
    for name in NAMES:
        assert (pulled.folder / name).read_bytes() == (source / name).read_bytes(), name


def cached_files(repo_id: str) -> list[Path]:
    storage = Path(constants.HF_HUB_CACHE) / f"models--{repo_id.replace('/', '--')}"
    return [path for path in storage.rglob("*") if path.is_file() and path.parent.name != "listings"]


@pytest.mark.parametrize(
    ("name", "fault"), [*((name, {"flip": 0xFF}) for name in NAMES), ("model.safetensors", {"cut": True})]
)
def test_a_file_damaged_once_in_transit_is_fetched_again(repo, hub, name, fault):
    damaged = hub.faults.add(path=f"/resolve/{repo.revision}/{name}", method="GET", **fault)
    assert_same(client.pull(repo.repo_id), repo.folder)
    assert damaged.hits == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_file_damaged_each_time_is_refused_and_not_kept(repo, hub, name):
    hub.faults.add(path=f"/resolve/{repo.revision}/{name}", method="GET", times=None, flip=1)
    for _ in range(2):
        with pytest.raises(UserError, match=f"{name} arrived damaged twice and was deleted"):
            client.pull(repo.repo_id)
    content = (repo.folder / name).read_bytes()
    assert all(len(content) != path.stat().st_size for path in cached_files(repo.repo_id))
    hub.faults.clear()
    assert_same(client.pull(repo.repo_id), repo.folder)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pinned", [False, True])
def test_a_cache_damaged_later_is_repaired(repo, name, pinned):
    file = client.pull(repo.repo_id).folder / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.resolve().write_bytes(content)
    assert_same(client.pull(repo.repo_id, repo.revision if pinned else None), repo.folder)


def test_what_another_program_left_damaged_is_repaired(repo, hub):
    """`huggingface_hub` alone compares no hash."""
    hub.faults.add(path="/model.safetensors", method="GET", flip=1)
    path = hf_hub_download(repo.repo_id, "model.safetensors", revision=repo.revision)
    assert Path(path).read_bytes() != (repo.folder / "model.safetensors").read_bytes()
    assert_same(client.pull(repo.repo_id, repo.revision), repo.folder)


def test_a_damaged_cache_is_not_loaded_while_the_hub_is_away(repo, hub):
    file = client.pull(repo.repo_id).folder / "config.json"
    hub.faults.add(times=None, status=503)
    assert client.pull_or_last(repo.repo_id).revision == repo.revision
    file.resolve().write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="HTTP 503"):
        client.pull_or_last(repo.repo_id)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'"sha"', b"<html>", b"\xff\xfe", b'{"sha": 3}', b"[" * 5000]
)
def test_an_answer_that_is_none_is_one_line(repo, hub, body):
    hub.faults.add(path="/api/models", times=None, status=200, body=body, headers={"Content-Type": "application/json"})
    with pytest.raises(UserError, match=repo.repo_id):
        client.pull(repo.repo_id)
    hub.faults.clear()
    assert_same(client.pull(repo.repo_id), repo.folder)
