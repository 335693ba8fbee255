"""Publication: one commit, one tag, no pickle, pulled back and compared."""

import json
import shutil
import uuid
from pathlib import Path

import pytest
from huggingface_hub import HfApi, hf_hub_download

from cxr import hub as client
from cxr.errors import UserError
from cxr.local_hub import access
from cxr.training import publish
from cxr.training.publishing import publication
from cxr.training.publishing.publication import Destination

GATE = b"weights of a gate"


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "model")


@pytest.fixture
def repo() -> str:
    return f"demo/model-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def organisation(monkeypatch: pytest.MonkeyPatch) -> str:
    """A token that may write for an organisation, whose name is given."""
    member = access.Account(name="demo", role="write", orgs=["clinic"])
    monkeypatch.setitem(access.DEFAULT_TOKENS, "hf_member", member)
    monkeypatch.setenv("HF_TOKEN", "hf_member")
    return "clinic"


def published_commits(repo: str) -> list[str]:
    return [commit.title for commit in HfApi().list_repo_commits(repo) if commit.title != "initial commit"]


def files_of(repo: str) -> set[str]:
    return set(HfApi().list_repo_files(repo)) - {".gitattributes"}


def add_gate(folder: Path) -> None:
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    (folder / "metrics.json").write_text(json.dumps(metrics | {"gate": {"passes": 0.99}}), encoding="utf-8")
    (folder / "gate.safetensors").write_bytes(GATE)


def test_one_commit_and_one_tag_hold_the_contract_and_nothing_else(folder, repo):
    add_gate(folder)
    for name in ("training_args.bin", "optimizer.pt", "notes.txt", "figures/worst.jpg"):
        (folder / name).write_bytes(b"a pickle with local paths, or a patient")
    assert publish.main([str(folder), repo, "--tag", "v1"]) == 0
    assert published_commits(repo) == ["Publish v1"]
    assert [tag.name for tag in HfApi().list_repo_refs(repo).tags] == ["v1"]
    figures = {f"figures/{path.name}" for path in (folder / "figures").glob("*.png")}
    assert len(figures) >= 3
    assert files_of(repo) == figures | {
        *("README.md", "config.json", "model.safetensors", "preprocessor_config.json", "metrics.json", "recipe.yaml"),
        *("dataset_report.json", "gate.safetensors", "fingerprints.safetensors"),
    }


def test_what_is_pulled_answers_as_what_was_trained(folder, repo):
    add_gate(folder)
    pulled = client.pull(repo, publication.publish(folder, Destination(repo)).revision).folder
    assert (publication.phantom_logits(pulled) - publication.phantom_logits(folder)).abs().max() <= 1e-5
    assert (pulled / "gate.safetensors").read_bytes() == GATE


@pytest.mark.parametrize("name", ["gate.safetensors", "model.safetensors"])
def test_files_that_come_back_changed_are_reported(folder, repo, name, monkeypatch):
    add_gate(folder)

    def altered(repo_id: str, revision: str) -> client.Pulled:
        path = pull(repo_id, revision).folder / name
        content = bytearray(path.read_bytes())
        content[-400:] = bytes(400) if name == "model.safetensors" else b"another"
        path.unlink()
        path.write_bytes(content)
        return client.Pulled(path.parent, repo_id, revision)

    pull = client.pull
    monkeypatch.setattr(client, "pull", altered)
    with pytest.raises(
        UserError, match=r"is published at revision \w+, but could not be pulled back and compared: the"
    ):
        publication.publish(folder, Destination(repo))


def test_a_second_publication_is_a_second_commit_and_both_can_be_pulled(folder, repo):
    add_gate(folder)
    (folder / "figures/extra.png").write_bytes(b"a figure of the first version")
    first = publication.publish(folder, Destination(repo, "v1")).revision
    card = folder / "README.md"
    card.write_text(card.read_text(encoding="utf-8") + "\nmore\n", encoding="utf-8")
    (folder / "figures/extra.png").unlink()
    second = publication.publish(folder, Destination(repo, "v2")).revision
    assert client.resolve(repo, "v1") == first != second == client.resolve(repo)
    assert published_commits(repo) == ["Publish v2", "Publish v1"]
    assert not Path(hf_hub_download(repo, "README.md", revision=first)).read_text(encoding="utf-8").endswith("more\n")
    assert "figures/extra.png" not in files_of(repo)


def test_the_same_content_again_is_no_second_commit(folder, repo):
    first = publication.publish(folder, Destination(repo, "v1"))
    assert publication.publish(folder, Destination(repo, "v1")) == first
    assert publication.publish(folder, Destination(repo)).revision == first.revision
    assert publication.publish(folder, Destination(repo, "v2")).revision == first.revision
    assert published_commits(repo) == ["Publish v1"]
    assert client.resolve(repo, "v2") == first.revision


def test_a_card_without_a_name_gets_its_repos(folder, repo):
    assert 'model="path/to/this/folder"' in (folder / "README.md").read_text(encoding="utf-8")
    publication.publish(folder, Destination(repo))
    assert f'model="{repo}"' in Path(hf_hub_download(repo, "README.md")).read_text(encoding="utf-8")


def test_a_tag_that_is_taken_is_reported_before_anything_is_uploaded(folder, repo, capsys):
    publication.publish(folder, Destination(repo, "v1"))
    (folder / "recipe.yaml").write_text("seed: 1\n", encoding="utf-8")
    assert publish.main([str(folder), repo, "--tag", "v1"]) == 2
    error = capsys.readouterr().err
    assert f"{repo} has a tag v1 already, on another content" in error
    assert error.endswith(f"python -m cxr.training.publish {folder} {repo}\n")
    assert published_commits(repo) == ["Publish v1"]
    with pytest.raises(UserError, match="has a tag v1 already"):
        publication.preflight(Destination(repo, "v1"))


@pytest.mark.parametrize("tag", ["two words", "main", "-v1", "a..b", "v1.lock", "0" * 40])
def test_an_invalid_tag_is_reported_before_any_request(tag, hub):
    asked = hub.faults.add(times=None, hang=True)
    with pytest.raises(UserError, match=r"is no valid name for a tag.*such as v1"):
        publication.preflight(Destination("demo/any", tag))
    assert asked.hits == 0


def test_a_repo_with_other_files_is_left_alone(folder, repo):
    HfApi().create_repo(repo)
    HfApi().upload_file(path_or_fileobj=b"pickle", path_in_repo="pytorch_model.bin", repo_id=repo)
    with pytest.raises(UserError, match=r"did not publish \(pytorch_model\.bin\): delete them there, or"):
        publication.publish(folder, Destination(repo))
    assert files_of(repo) == {"pytorch_model.bin"}


def test_private_stays_private(folder, repo):
    assert publish.main([str(folder), repo, "--private"]) == 0
    assert HfApi().model_info(repo).private
    assert publish.main([str(folder), repo]) == 0
    public = publication.publish(folder, Destination(f"{repo}-public"))
    with pytest.raises(UserError, match="exists and is public"):
        publication.publish(folder, Destination(public.to.repo_id, private=True))


def test_an_organisation_of_ones_own_can_be_published_to(folder, organisation):
    name = f"{organisation}/model-{uuid.uuid4().hex[:8]}"
    assert publication.publish(folder, Destination(name, "v1")).revision == client.resolve(name, "v1")


def test_a_name_without_an_owner_is_the_tokens_own(folder):
    name = f"mine-{uuid.uuid4().hex[:8]}"
    found = publication.preflight(Destination(name, space=name))
    assert (found.repo_id, found.space) == (f"demo/{name}", f"demo/{name}")
    assert str(publication.publish(folder, Destination(name))).startswith(f"published demo/{name} at revision ")


@pytest.mark.parametrize("missing", ["model.safetensors", "recipe.yaml", "gate.safetensors"])
def test_a_folder_that_is_no_finished_run_is_named(folder, repo, missing, capsys):
    add_gate(folder)
    (folder / missing).unlink()
    assert publish.main([str(folder), repo]) == 2
    assert f"{folder} has no {missing}" in capsys.readouterr().err
