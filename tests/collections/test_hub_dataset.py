"""The dataset on the Hub: one commit, read by `load_dataset`, and nothing private in it."""

import json
import uuid
from pathlib import Path

import datasets
import pytest
from huggingface_hub import DatasetCard, HfApi, hf_hub_download
from raw import folders, prepare

from dataset_script import publish
from dataset_script.__main__ import main


@pytest.fixture
def repo():
    return f"demo/data-{uuid.uuid4().hex[:8]}"


def flags(tmp_path, source, repo, *more):
    settings = ["--no_audit", "--image_size", "16", "--num_proc", "1", "--out", str(tmp_path / "out")]
    return ["--source", source, *settings, "--push_to_hub", repo, *more]


def test_what_is_published_is_what_was_prepared(tmp_path, repo):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    (raw / "covid" / "secret name.png").touch()
    assert main(flags(tmp_path, f"folder={raw}", repo)) == 0
    commits = [commit.title for commit in HfApi().list_repo_commits(repo, repo_type="dataset")]
    assert commits == ["Publish the prepared dataset", "initial commit"]
    loaded = datasets.load_dataset(repo, cache_dir=str(tmp_path / "cache"))
    local = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {split: part["sha256"] for split, part in loaded.items()} == {
        split: part["sha256"] for split, part in local.items()
    }
    streamed = datasets.load_dataset(repo, split="train", streaming=True)
    assert next(iter(streamed))["image"].mode == "L"
    files = set(HfApi().list_repo_files(repo, repo_type="dataset"))
    assert {name for name in files if not name.startswith("data/")} <= {"README.md", "report.json", ".gitattributes"}
    assert all(name.endswith(".parquet") for name in files if name.startswith("data/"))
    report = hf_hub_download(repo, "report.json", repo_type="dataset", local_dir=tmp_path / "pulled")
    text = Path(report).read_text(encoding="utf-8")
    assert "lists" not in json.loads(text)
    assert "secret name" not in text
    card = DatasetCard.load(tmp_path / "out" / "README.md").text
    assert DatasetCard.load(repo).text == card


def test_a_second_publication_replaces_the_shards(tmp_path, repo):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    assert main(flags(tmp_path, f"folder={raw}", repo, "--private")) == 0
    folders(raw, 500, covid=45)
    assert main(flags(tmp_path, f"folder={raw}", repo, "--private")) == 0
    shards = [name for name in HfApi().list_repo_files(repo, repo_type="dataset") if name.endswith(".parquet")]
    assert len(shards) == 3
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    loaded = datasets.load_dataset(repo, cache_dir=str(tmp_path / "cache"))
    assert sum(part.num_rows for part in loaded.values()) == report["images"] > 80


def test_no_right_to_write_is_told_before_anything_is_read(tmp_path, capsys, monkeypatch):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    assert main(flags(tmp_path, f"folder={raw}", "stranger/data")) == 2
    assert "no right to write" in capsys.readouterr().err
    monkeypatch.delenv("HF_TOKEN")
    assert main(flags(tmp_path, f"folder={raw}", "demo/data")) == 2
    assert "HF_TOKEN" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_trouble_in_the_upload_loses_nothing_and_names_the_command_that_works_later(tmp_path, repo, hub, capsys):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    hub.faults.add(path="/commit/", method="POST", times=None, status=500)
    assert main(flags(tmp_path, f"folder={raw}", repo)) == 2
    message = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("error: "))
    assert f"python -m dataset_script.publish {tmp_path / 'out'} {repo}" in message
    hub.faults.clear()
    assert publish.main([str(tmp_path / "out"), repo]) == 0
    assert datasets.load_dataset(repo, cache_dir=str(tmp_path / "cache"))["train"].num_rows > 0


def test_a_folder_that_is_no_dataset_is_named(tmp_path, repo, capsys):
    assert publish.main([str(tmp_path), repo]) == 2
    assert "is no dataset prepared by" in capsys.readouterr().err


def test_a_dataset_on_the_hub_is_a_source(tmp_path, repo):
    raw = folders(tmp_path / "raw", covid=40, normal=40)
    assert main(flags(tmp_path, f"folder={raw}", repo)) == 0
    again = prepare(tmp_path / "again", f"hub={repo}")
    first = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {name: part["labels"] for name, part in again["splits"].items()} == {
        name: part["labels"] for name, part in first["splits"].items()
    }
    assert again["counts"].keys() == first["counts"].keys()


def test_a_dataset_with_other_class_names_is_a_source_if_they_are_known(tmp_path, repo, capsys):
    from raw import noise, refused

    labels = [number % 3 for number in range(120)]
    for names in (["covid", "normal", "viral pneumonia"], ["cat", "dog", "mouse"]):
        features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=names)})
        images = [{"bytes": png(noise(number)), "path": None} for number in range(120)]
        theirs = datasets.Dataset.from_dict({"image": images, "label": labels}, features=features)
        theirs.push_to_hub(f"{repo}-{names[0]}")
    report = prepare(tmp_path / "out", f"hub={repo}-covid")
    assert sum(report["counts"][f"{repo}-covid"]["COVID"].values()) == 40
    assert "'cat' (40), 'dog' (40), 'mouse' (40)" in refused(capsys, tmp_path / "new", f"hub={repo}-cat")
    assert "was not found" in refused(capsys, tmp_path / "new", "hub=demo/nothing-there")


def png(pixels):
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()
