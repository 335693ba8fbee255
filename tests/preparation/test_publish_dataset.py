"""Publishing a prepared dataset: what fails late ends in one line, and other files of the repo stay."""

import uuid

import pytest
from huggingface_hub import HfApi
from raw import prepare

from dataset_script.publish import main, publish_dataset


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    out = tmp_path_factory.mktemp("publish") / "out"
    prepare(out, "phantom=24", image_size=32)
    return out


@pytest.fixture
def repo():
    return f"demo/data-{uuid.uuid4().hex[:8]}"


def test_a_failed_upload_of_a_large_file_is_one_line_and_the_printed_command_works_later(prepared, repo, hub, capsys):
    """`huggingface_hub` wraps what went wrong there in a `RuntimeError`, which no one would catch by its type."""
    refused = hub.faults.add(path="/lfs/", method="PUT", times=None, status=403)
    assert main([str(prepared), repo]) == 2
    assert refused.hits
    (message,) = capsys.readouterr().err.splitlines()
    assert message.startswith("error: not published: ")
    assert f"publish it later with: python -m dataset_script.publish {prepared} {repo}" in message
    assert not [name for name in HfApi().list_repo_files(repo, repo_type="dataset") if name.startswith("data/")]
    hub.faults.clear()
    assert main([str(prepared), repo]) == 0
    assert [name for name in HfApi().list_repo_files(repo, repo_type="dataset") if name.startswith("data/")]


def test_files_that_are_no_shards_stay(prepared, repo):
    HfApi().create_repo(repo, repo_type="dataset")
    for name in ("notes.md", "data/train-00000-of-00001-0123456789ab.parquet"):
        HfApi().upload_file(path_or_fileobj=b"old", path_in_repo=name, repo_id=repo, repo_type="dataset")
    publish_dataset(prepared, repo)
    names = set(HfApi().list_repo_files(repo, repo_type="dataset"))
    assert {"notes.md", "README.md", "report.json"} <= names
    assert "data/train-00000-of-00001-0123456789ab.parquet" not in names
    assert len([name for name in names if name.startswith("data/")]) == 3
