"""Trouble with the Hub: found before training where it can be; afterwards one command publishes what was trained."""

import shlex
import shutil
import subprocess
import uuid
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import HfApi
from safetensors.torch import load_file, save_file

from cxr import hub as client
from cxr.errors import UserError
from cxr.local_hub import access
from cxr.training import publish, run
from cxr.training.publishing import model_repo, publication
from cxr.training.publishing.publication import Destination


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A finished model, with weights that no Hub has seen: an upload of known ones would send nothing."""
    copy = shutil.copytree(finished, tmp_path / "a model")
    weights = load_file(copy / "model.safetensors")
    save_file(weights, copy / "model.safetensors", {"format": "pt", "seen": uuid.uuid4().hex})
    return copy


@pytest.fixture
def wanted() -> Destination:
    name = f"demo/trouble-{uuid.uuid4().hex[:8]}"
    return Destination(name, "v1", name)


@pytest.fixture(autouse=True)
def short_time_limit(monkeypatch: pytest.MonkeyPatch):
    """A time limit of one second, and no pause between two tries."""
    monkeypatch.setenv("CXR_HUB_TIMEOUT", "1")
    huggingface_hub.close_session()
    now = SimpleNamespace(sleep=lambda seconds: None)
    monkeypatch.setattr(huggingface_hub.utils._http, "time", now)
    yield
    huggingface_hub.close_session()


def trained(command: list[str], hub, wanted: Destination, capsys) -> tuple[int, str]:
    """A run that must not start training: its exit code and the one line it leaves."""
    to = ["--push_to_hub", "--hub_model_id", wanted.repo_id, "--hub_space", wanted.space, "--hub_tag", wanted.tag]
    code = run.main([*command[1:], *to])
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1, captured.err
    return code, captured.err


FAULTS = {"500": {"status": 500}, "403": {"status": 403}, "404": {"status": 404}, "hang": {"hang": True}}
EARLY = [(path, fault) for path in ("/api/models", "/api/spaces") for fault in FAULTS]
EARLY += [("/whoami", "hang"), ("/repos/create", "500"), ("/api/models/{0}/preupload", "hang"), ("/refs", "hang")]
EARLY += [("/api/spaces/{0}/preupload", "403")]


@pytest.mark.parametrize(("path", "fault"), EARLY)
def test_what_can_be_found_before_training_is(wanted, hub, path, fault):
    if path.endswith("preupload"):
        publication.preflight(wanted)
    found = hub.faults.add(path=path.format(wanted.repo_id), times=None, **FAULTS[fault])
    with pytest.raises(UserError, match=f"{wanted.repo_id}"):
        publication.preflight(wanted)
    assert found.hits >= 1


def test_a_run_ends_in_one_line_before_its_first_step(command, hub, wanted, capsys, tmp_path):
    hub.faults.add(path="/api/spaces", times=None, status=500)
    code, line = trained(command, hub, wanted, capsys)
    assert code == 2
    assert f"answered HTTP 500 for {wanted.space}" in line
    assert not list((tmp_path / "run").glob("checkpoint-*"))


def test_a_missing_token_is_reported_before_any_request(wanted, hub, monkeypatch):
    asked = hub.faults.add(times=None, hang=True)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(UserError, match="HF_TOKEN"):
        publication.preflight(wanted)
    assert asked.hits == 0


def test_an_unknown_token_is_reported(wanted, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_unknown")
    with pytest.raises(UserError, match="HF_TOKEN"):
        publication.preflight(wanted)


def test_a_read_only_token_is_reported(wanted, monkeypatch):
    monkeypatch.setitem(access.DEFAULT_TOKENS, "hf_reader", access.Account(name="demo", role="read", orgs=[]))
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    with pytest.raises(UserError, match=f"is read-only: create one that may write to {wanted.repo_id}"):
        publication.preflight(wanted)


@pytest.mark.parametrize("name", ["repo_id", "space"])
def test_another_owners_namespace_is_refused(wanted, name):
    theirs = replace(wanted, **{name: "stranger/model"})
    with pytest.raises(UserError, match=r"no right to write to stranger/model.*demo/"):
        publication.preflight(theirs)


@pytest.mark.parametrize("name", ["a/b/c", "demo/two words", "-x", "demo/a--b"])
def test_an_impossible_name_is_reported(name):
    with pytest.raises(UserError, match="neither a local folder nor a repo id like USER/NAME"):
        publication.preflight(Destination(name))


STEPS = {
    "announcement": {"path": "/preupload/", "method": "POST"},
    "weights": {"path": "/lfs/", "method": "PUT"},
    "commit": {"path": "/commit/", "method": "POST"},
    "tag": {"path": "/tag/", "method": "POST"},
    "pulling back": {"path": "/resolve/"},
    "the Space's commit": {"path": "/api/spaces/{0}/commit/", "method": "POST"},
}
LATE = [("commit", fault) for fault in ("500", "403", "404", "hang", "drop")]
LATE += [("weights", "500"), ("weights", "hang"), ("weights", "drop"), ("announcement", "hang"), ("tag", "500")]
LATE += [("pulling back", "500"), ("the Space's commit", "500"), ("the Space's commit", "hang")]


@pytest.mark.parametrize(("step", "fault"), LATE)
def test_trouble_in_the_upload_loses_nothing_and_names_the_command_that_works_later(
    folder, wanted, hub, step, fault, capsys
):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    where = STEPS[step] | {"path": STEPS[step]["path"].format(wanted.repo_id)}
    hub.faults.add(**where, times=None, **(FAULTS | {"drop": {"drop": True}})[fault])
    wanted = wanted if "Space" in step else replace(wanted, space=None)
    flags = [str(folder), wanted.repo_id, "--tag", "v1", *(["--space", wanted.space] if wanted.space else [])]
    assert publish.main(flags) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    command = error.strip().partition("publish it later with: ")[2]
    assert command == publication.shell_command(folder, wanted)
    hub.faults.clear()
    assert publish.main(shlex.split(command)[3:]) == 0
    assert client.resolve(wanted.repo_id, "v1") == client.resolve(wanted.repo_id)
    assert len(HfApi().list_repo_commits(wanted.repo_id)) == 2


@pytest.mark.parametrize("step", ["announcement", "weights"])
def test_one_refusal_in_the_upload_is_tried_again(folder, wanted, hub, step):
    publication.preflight(wanted)
    where = STEPS[step]
    refused = hub.faults.add(**where, times=1, status=500)
    client.commit(wanted.repo_id, model_repo.files(folder, wanted.repo_id), "Publish")
    assert refused.hits == 1


@pytest.mark.slow
def test_the_command_is_run_as_it_is_printed(folder, wanted, hub, env, monkeypatch, tmp_path):
    hub.faults.add(path="/commit/", method="POST", times=None, drop=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        publication.publish(Path(folder.name), wanted)
    hub.faults.clear()
    printed = str(error.value).partition("publish it later with: ")[2]
    done = subprocess.run(["bash", "-c", printed], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    sha = client.resolve(wanted.repo_id, "v1")
    assert f"published {wanted.repo_id} at revision {sha}\npublished the Space {wanted.space} at" in done.stdout
