"""Publication: one commit, one tag, no pickle, pulled back and compared; trouble is told and loses nothing."""

import shutil
import uuid
from pathlib import Path

import pytest
from huggingface_hub import HfApi, hf_hub_download

from cxr import hub as client
from cxr.cli import UserError
from cxr.training import publish


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "model")


@pytest.fixture
def repo() -> str:
    return f"demo/model-{uuid.uuid4().hex[:8]}"


def published_commits(repo: str) -> list[str]:
    return [commit.title for commit in HfApi().list_repo_commits(repo) if commit.title != "initial commit"]


def test_one_commit_and_one_tag_hold_the_whole_model(folder, repo):
    (folder / "training_args.bin").write_bytes(b"a pickle with local paths")
    assert publish.main([str(folder), repo, "--tag", "v1"]) == 0
    assert published_commits(repo) == ["Publish v1"]
    assert [tag.name for tag in HfApi().list_repo_refs(repo).tags] == ["v1"]
    names = set(HfApi().list_repo_files(repo)) - {".gitattributes"}
    assert names == {
        *("README.md", "config.json", "model.safetensors", "preprocessor_config.json", "metrics.json", "recipe.yaml"),
        "dataset_report.json",
        *(f"figures/{path.name}" for path in (folder / "figures").iterdir()),
    }


def test_what_is_pulled_answers_as_what_was_trained(folder, repo):
    sha = publish.publish(folder, repo)
    difference = publish.phantom_logits(client.pull(repo, sha).folder) - publish.phantom_logits(folder)
    assert difference.abs().max() <= 1e-5


def test_a_second_publication_is_a_second_commit_and_both_can_be_pulled(folder, repo):
    first = publish.publish(folder, repo, "v1")
    card = folder / "README.md"
    card.write_text(card.read_text(encoding="utf-8") + "\nmore\n", encoding="utf-8")
    second = publish.publish(folder, repo, "v2")
    assert client.resolve(repo, "v1") == first != second == client.resolve(repo)
    assert not Path(hf_hub_download(repo, "README.md", revision=first)).read_text().endswith("more\n")


def test_a_tag_that_is_taken_is_told_before_anything_is_uploaded(folder, repo):
    publish.publish(folder, repo, "v1")
    with pytest.raises(UserError, match=r"has a tag v1 already.*publish it later with: python -m cxr\.training"):
        publish.publish(folder, repo, "v1")
    assert published_commits(repo) == ["Publish v1"]


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 403}, {"drop": True}])
def test_trouble_in_the_upload_loses_nothing_and_names_the_command_that_works_later(folder, repo, hub, fault, capsys):
    hub.faults.add(path="/commit/", method="POST", times=None, **fault)
    assert publish.main([str(folder), repo]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"python -m cxr.training.publish {folder} {repo}" in error
    hub.faults.clear()
    assert publish.main([str(folder), repo]) == 0


def test_no_token_is_told_before_anything(folder, repo, monkeypatch, capsys):
    monkeypatch.delenv("HF_TOKEN")
    assert publish.main([str(folder), repo]) == 2
    assert "HF_TOKEN" in capsys.readouterr().err


def test_an_unknown_token_is_told(repo, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_nobody")
    with pytest.raises(UserError, match="HF_TOKEN"):
        publish.preflight(repo)


def test_somebody_elses_namespace_is_refused():
    with pytest.raises(UserError, match=r"no right to write to stranger/model.*demo/"):
        publish.preflight("stranger/model")


def test_a_name_without_an_owner_is_the_tokens_own():
    assert publish.preflight("mine") == "demo/mine"


def test_a_hub_that_never_answers_is_found_out_within_seconds(repo, hub):
    hub.faults.add(path="/api/models", times=None, hang=True)
    with pytest.raises(UserError, match="cannot reach"):
        publish.preflight(repo)


def test_a_folder_that_is_no_finished_run_is_named(tmp_path, repo, capsys):
    assert publish.main([str(tmp_path), repo]) == 2
    assert str(tmp_path) in capsys.readouterr().err
