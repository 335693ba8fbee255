"""`assess.py --push`: results in the card of a model on the Hub, in one commit or a pull request."""

import json
from pathlib import Path

import pytest
from huggingface_hub import HfApi, ModelCard, RepoCard
from huggingface_hub.errors import HfHubHTTPError
from test_foreign_models import save_resnet

from cxr.assessment.command import main
from cxr.assessment.push import _key
from cxr.local_hub.access import DEFAULT_TOKENS
from cxr.local_hub.storage import Message, Store
from cxr.training.publish import main as publish

FOREIGN = """---
license: mit
model-index:
- name: theirs
  results:
  - task: {type: image-classification}
    dataset: {name: elsewhere, type: folder}
    metrics: [{type: accuracy, value: 0.5}]
---
# Theirs

Some *text* of theirs.
"""


def published(folder: Path, repo: str) -> str:
    assert publish([str(folder), repo]) == 0
    return repo


def foreign(folder: Path, repo: str, card: str = FOREIGN) -> str:
    save_resnet(folder, "NON-COVID", "COVID")
    (folder / "README.md").write_bytes(card.encode())
    HfApi().create_repo(repo)
    HfApi().upload_folder(repo_id=repo, folder_path=folder)
    return repo


def assess(model: str, dataset: Path, out: Path, name: str = "clinic") -> int:
    return main(["--model", model, "--dataset", f"{name}={dataset}", "--out", str(out), "--push", "--use_cpu"])


def commits(repo: str) -> int:
    return len(HfApi().list_repo_commits(repo))


def results(card: ModelCard) -> dict[tuple[str, str], float]:
    return {(result.dataset_name, result.metric_type): result.metric_value for result in card.data.eval_results}


def test_a_section_and_the_model_index_in_one_commit_and_once(hub, finished, with_other, dataset, tmp_path, capsys):
    repo = published(finished, "demo/pushed")
    before, count = ModelCard.load(repo), commits(repo)
    assert assess(repo, with_other, tmp_path) == 0
    assert "Added to the card: http" in capsys.readouterr().out
    after = ModelCard.load(repo)
    found = json.loads((tmp_path / "assessment.json").read_text())["datasets"]["clinic"]["results"][0]
    assert commits(repo) == count + 1
    assert results(after).items() >= results(before).items()
    assert results(after)["clinic", "auroc"] == pytest.approx(found["auroc"])
    assert after.text.startswith(before.text.rstrip())
    assert "## Assessment on clinic, test split" in after.text
    assert found["judgement"].split(":")[0] in after.text
    assert assess(repo, with_other, tmp_path) == 0
    assert "already" in capsys.readouterr().out
    assert commits(repo) == count + 1
    assert assess(repo, dataset, tmp_path, name="a | <!-- b -->") == 0
    both = ModelCard.load(repo)
    assert assess(repo, with_other, tmp_path) == 0
    assert commits(repo) == count + 2, "the first dataset again, after the second"
    assert both.text.count("## Assessment on") == 2
    assert both.text.startswith(before.text.rstrip())


def test_the_text_and_the_results_of_others_stay(hub, dataset, tmp_path):
    repo = foreign(tmp_path / "model", "demo/theirs")
    assert assess(repo, dataset, tmp_path / "out") == 0
    card = ModelCard.load(repo)
    assert card.text.lstrip().startswith("# Theirs\n\nSome *text* of theirs.\n")
    assert results(card)["elsewhere", "accuracy"] == 0.5
    assert card.data.license == "mit"
    assert card.data.model_name == "theirs"


def test_what_no_library_reads_of_a_card_stays_and_the_command_is_whole(hub, dataset, tmp_path):
    two = "- name: second\n  results:\n  - task: {type: other, note: kept}\n    dataset: {name: e, type: f}\n"
    card = FOREIGN.replace("---\n# Theirs", f"{two}    metrics: [{{type: f1, value: 0.25}}]\n---\n# Theirs")
    key = _key("clinic", "test")
    torn = f"{card}\n<!-- assessment {key} -->\nTheir own end.\n".replace("\n", "\r\n")
    repo = foreign(tmp_path / "model", "demo/two-models", torn)
    assert assess(repo, dataset, tmp_path / "out") == 0
    content = (Path(HfApi().hf_hub_download(repo, "README.md"))).read_bytes().decode()
    assert torn.partition("# Theirs")[2].rstrip() in content
    assert "\n" not in content.replace("\r\n", "")
    first, second = RepoCard(content).data["model-index"]
    assert (first["name"], second["name"], second["results"][0]["task"]["note"]) == ("theirs", "second", "kept")
    assert len(second["results"]) == 1
    assert "--dataset clinic=" in content
    assert "--out report" in content
    HfApi().upload_file(path_or_fileobj=content.encode() + b"\r\nAfter.", path_in_repo="README.md", repo_id=repo)
    assert main(["--model", repo, "--dataset", f"clinic={dataset}", "--out", str(tmp_path / "out"), "--push"]) == 0
    assert RepoCard.load(repo).text.count("Their own end.") == 1


def test_a_card_in_another_encoding_is_one_line(hub, dataset, tmp_path, capsys):
    repo = foreign(tmp_path / "model", "demo/latin")
    store = Store(hub.root)  # the client uploads no such card, git does
    latin = store.add_regular("# Größe\n".encode("latin-1"))
    store.repo("model", *repo.split("/")).commit("main", {"README.md": latin}, Message("Latin-1", "", "demo"))
    assert assess(repo, dataset, tmp_path / "out") == 2
    assert "UTF-8" in capsys.readouterr().err.splitlines()[-1]
    assert (tmp_path / "out" / "assessment.html").is_file()


def proposed_card(repo: str) -> str:
    newest = HfApi().model_info(repo, revision="refs/pr/1").sha
    return Path(HfApi().hf_hub_download(repo, "README.md", revision=newest)).read_text()


def test_without_the_right_to_write_it_is_one_pull_request(hub, dataset, with_other, tmp_path, monkeypatch, capsys):
    repo = foreign(tmp_path / "model", "demo/not-ours")
    count, text = commits(repo), ModelCard.load(repo).content
    monkeypatch.setitem(DEFAULT_TOKENS, "hf_visitor", {"name": "visitor", "role": "write", "orgs": []})
    monkeypatch.setenv("HF_TOKEN", "hf_visitor")
    assert assess(repo, dataset, tmp_path / "out") == 0
    assert f"{repo}/discussions/1" in capsys.readouterr().out
    assert (commits(repo), ModelCard.load(repo).content) == (count, text)
    assert "## Assessment on clinic" in proposed_card(repo)
    assert assess(repo, dataset, tmp_path / "out") == 0
    assert "Proposed already" in capsys.readouterr().out
    assert assess(repo, with_other, tmp_path / "out") == 0
    assert f"{repo}/discussions/1" in capsys.readouterr().out
    assert len(list(HfApi().get_repo_discussions(repo))) == 1
    assert assess(repo, dataset, tmp_path / "out", name="elsewhere") == 0
    assert f"{repo}/discussions/2" in capsys.readouterr().out
    monkeypatch.setitem(DEFAULT_TOKENS, "hf_another", {"name": "another", "role": "write", "orgs": []})
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    with pytest.raises(HfHubHTTPError, match="403"):
        HfApi().upload_file(path_or_fileobj=b"x", path_in_repo="x.md", repo_id=repo, revision="refs/pr/1")
    assert assess(repo, dataset, tmp_path / "out") == 0
    assert f"{repo}/discussions/3" in capsys.readouterr().out, "the others are somebody else's"


@pytest.mark.parametrize("card", ["---\nlicense: [\n---\n# T\n", "---\nmodel-index: 5\n---\n# T\n"])
def test_a_card_that_cannot_be_read_is_one_line_and_the_report_is_kept(hub, dataset, tmp_path, card, capsys):
    repo = f"demo/broken-{len(card)}"
    foreign(tmp_path / "model", repo, card)
    assert assess(repo, dataset, tmp_path / "out") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"error: the card of {repo}")
    assert (tmp_path / "out" / "assessment.html").is_file()


def test_a_folder_and_a_missing_token_are_one_line(hub, finished, dataset, tmp_path, monkeypatch, capsys):
    assert assess(str(finished), dataset, tmp_path / "out") == 2
    assert "--push" in capsys.readouterr().err
    repo = published(finished, "demo/no-token")
    monkeypatch.delenv("HF_TOKEN")
    assert assess(repo, dataset, tmp_path / "out") == 2
    assert "HF_TOKEN" in capsys.readouterr().err


def test_somebody_else_who_was_quicker_is_not_overwritten(hub, finished, dataset, tmp_path, monkeypatch):
    repo = published(finished, "demo/raced")
    from cxr.assessment import push

    real, late = push.with_results, []

    def with_results(card: str, **options: object) -> str:
        if not late:
            late.append(card)
            HfApi().upload_file(path_or_fileobj=f"{card}\nQuicker.\n".encode(), path_in_repo="README.md", repo_id=repo)
        return real(card, **options)

    monkeypatch.setattr(push, "with_results", with_results)
    assert assess(repo, dataset, tmp_path) == 0
    text = ModelCard.load(repo).text
    assert "Quicker." in text
    assert "## Assessment on clinic" in text


def test_a_hub_that_fails_is_one_line(hub, finished, with_other, tmp_path, capsys):
    repo = published(finished, "demo/failing")
    hub.faults.add(path="/commit/", status=500, times=None)
    assert assess(repo, with_other, tmp_path) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")
    assert (tmp_path / "assessment.json").is_file()


def test_of_two_models_the_card_of_the_first_alone_changes(hub, dataset, tmp_path):
    first, second = (foreign(tmp_path / name, f"demo/{name}-of-two") for name in ("first", "second"))
    before = commits(first), commits(second)
    words = ["--model", first, "--model2", second, "--dataset", str(dataset), "--out", str(tmp_path / "out"), "--push"]
    assert main([*words, "--use_cpu"]) == 0
    assert (commits(first), commits(second)) == (before[0] + 1, before[1])
    assert second not in ModelCard.load(first).content
