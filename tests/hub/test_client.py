"""Pulling from and committing to a Hub: exact commits, time limits, and one line for each kind of error."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download
from support import ROOT, save_tiny_backbone

from cxr import hub as client
from cxr.errors import UserError

REPO = "demo/pulled"


@pytest.fixture(scope="module")
def commit(tmp_path_factory: pytest.TempPathFactory) -> str:
    HfApi().create_repo(REPO, exist_ok=True)
    folder = save_tiny_backbone(tmp_path_factory.mktemp("pulled"))
    sha = HfApi().upload_folder(repo_id=REPO, folder_path=folder).oid
    HfApi().create_tag(REPO, tag="v1", revision=sha)
    return sha


@pytest.mark.parametrize("revision", [None, "main", "v1"])
def test_a_floating_name_becomes_a_full_sha(commit, revision):
    assert client.pull(REPO, revision).revision == commit


def test_what_was_pulled_once_by_its_sha_needs_no_hub(commit, hub):
    first = client.pull(REPO, commit)
    hub.faults.add(times=None, status=500)
    assert client.pull(REPO, commit) == first


def test_a_half_filled_cache_is_completed(commit):
    folder = client.pull(REPO, commit).folder
    (folder / "model.safetensors").unlink()
    assert (client.pull(REPO, commit).folder / "model.safetensors").is_file()


def test_a_folder_is_taken_as_it_is(tmp_path):
    folder = save_tiny_backbone(tmp_path)
    assert client.pull(str(folder)) == client.Pulled(folder, str(folder), "local")
    with pytest.raises(UserError, match="leave the revision out"):
        client.pull(str(folder), "v1")


@pytest.mark.parametrize(
    ("repo", "revision", "part"),
    [
        ("demo/nothing-here", None, "was not found"),
        (REPO, "v9", "has no revision 'v9'"),
        ("no such folder", None, "neither a local folder nor a repo id"),
        ("a/b/c", None, "neither a local folder nor a repo id"),
    ],
)
def test_each_wrong_name_has_its_own_line(commit, repo, revision, part):
    with pytest.raises(UserError, match=part):
        client.pull(repo, revision)


@pytest.mark.parametrize(("status", "part"), [(401, "refused access"), (403, "refused access"), (500, "HTTP 500")])
def test_each_refusal_has_its_own_line(commit, hub, status, part):
    hub.faults.add(path="/api/models", times=None, status=status)
    with pytest.raises(UserError, match=part):
        client.pull(REPO)


def test_a_hub_that_never_answers_costs_seconds_not_hours(commit, hub):
    hub.faults.add(times=None, hang=True)
    start = time.monotonic()
    with pytest.raises(UserError, match="cannot reach"):
        client.pull(REPO)
    assert time.monotonic() - start < 30


def test_a_repo_without_a_model_is_told(tmp_path: Path):
    (tmp_path / "README.md").write_text("nothing else", encoding="utf-8")
    HfApi().create_repo("demo/empty", exist_ok=True)
    HfApi().upload_folder(repo_id="demo/empty", folder_path=tmp_path)
    with pytest.raises(UserError, match=r"has no config\.json"):
        client.pull("demo/empty")


IMPORT_THEN_CALL = """
import huggingface_hub
from cxr import hub
print(huggingface_hub.get_session().timeout.read)
hub.api()
print(huggingface_hub.get_session().timeout.read)
print(huggingface_hub.utils._runtime.is_xet_available())
"""


def test_time_limits_are_set_by_the_first_call_and_not_by_the_import(env):
    command = [sys.executable, "-c", IMPORT_THEN_CALL]
    limited = {name: value for name, value in env.items() if "XET" not in name} | {"CXR_HUB_TIMEOUT": "7"}
    done = subprocess.run(command, cwd=ROOT, env=limited, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "7.0", "False"]  # Xet's client would take no limit


@pytest.mark.parametrize("text", ["0", "-1", "soon", "inf"])
def test_an_impossible_time_limit_is_one_line(monkeypatch, text):
    monkeypatch.setenv("CXR_HUB_TIMEOUT", text)
    with pytest.raises(UserError, match=f"CXR_HUB_TIMEOUT={text} is not a positive number of seconds"):
        client.resolve(REPO)


def test_a_commit_replaces_what_matches_and_keeps_the_rest(hub):
    repo = client.preflight("demo/replaced")
    files = {"data/a.txt": b"a", "data/b.txt": b"b", "notes.txt": b"n"}
    client.commit(repo, files, "First")
    sha = client.commit(repo, {"data/b.txt": b"new"}, "Second", replace=["data/*"])
    assert set(HfApi().list_repo_files(repo)) == {".gitattributes", "data/b.txt", "notes.txt"}
    assert client.commit(repo, {"data/b.txt": b"new", "notes.txt": b"n"}, "Nothing new") == sha
    client.commit(repo, {"data/b.txt": b"new"}, "Third")
    assert set(HfApi().list_repo_files(repo)) == {".gitattributes", "data/b.txt"}
    with pytest.raises(UserError, match=r"did not publish \(data/b\.txt\)"):
        client.require_only(repo, ["*.json"])


def test_an_interrupted_upload_raises_what_interrupted_it(hub):
    repo = client.preflight("demo/interrupted")
    hub.faults.add(path="/lfs/", method="PUT", times=None, status=403)
    with pytest.raises(client.HUB_ERRORS) as interrupted:
        client.commit(repo, {"weights.bin": b"\0" * 1000}, "Weights")
    assert "HTTP 403" in str(client.explain(interrupted.value, repo))


@pytest.mark.parametrize("name", ["weights.bin", "notes.md"])
def test_a_file_that_arrived_damaged_is_told_and_replaced_by_the_next_commit(hub, name, monkeypatch):
    """The content as this process reads it changes between upload and comparison, as it would on its way."""
    repo = client.preflight(f"demo/arrived-{name.replace('.', '-')}")
    sent = {name: b"\1" * 1000}
    monkeypatch.setattr(client.push, "CommitOperationAdd", lambda name, content: CommitOperationAdd(name, b"\2" * 1000))
    with pytest.raises(client.HubAnswerError, match=f"{name} arrived there damaged"):
        client.commit(repo, sent, "Damaged")
    monkeypatch.undo()
    client.commit(repo, sent, "Whole")
    assert Path(hf_hub_download(repo, name)).read_bytes() == sent[name]
