"""The embedded Hub as `huggingface_hub` uses it: repos, commits, revisions, files."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

API = HfApi()
BINARY = bytes(range(256)) * 40


@pytest.fixture
def repo(hub, request):
    """A fresh model repo, named after the test."""
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    return API.create_repo(f"demo/{name}").repo_id


def put(repo, path, content, **options):
    return API.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo, **options).oid


def get(repo, path, **options):
    return Path(hf_hub_download(repo, path, **options)).read_bytes()


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_a_folder_comes_back_as_it_was_pushed(hub, tmp_path, kind):
    files = {
        "README.md": b"---\nlicense: mit\n---\n",
        "sub/weights.bin": BINARY,
        "sub/no extension": BINARY,
        "empty.txt": b"",
    }
    for name, content in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    repo_id = f"demo/folder-{kind}"
    made = API.create_repo(repo_id, repo_type=kind, space_sdk="gradio" if kind == "space" else None)
    assert (made.repo_id, made.repo_type) == (repo_id, kind)
    commit = API.upload_folder(repo_id=repo_id, repo_type=kind, folder_path=tmp_path / "in")
    out = Path(snapshot_download(repo_id, repo_type=kind, local_dir=tmp_path / "out"))
    assert {name: (out / name).read_bytes() for name in files} == files
    assert sorted(API.list_repo_files(repo_id, repo_type=kind)) == sorted([*files, ".gitattributes"])
    info = API.repo_info(repo_id, repo_type=kind, files_metadata=True)
    assert (info.sha, info.private) == (commit.oid, False)
    large = {sibling.rfilename: sibling.lfs is not None for sibling in info.siblings}
    assert [name for name in files if large[name]] == ["sub/weights.bin", "sub/no extension"]
    assert commit.repo_url.repo_id == repo_id


def test_every_commit_stays_readable_by_any_of_its_names(repo):
    old = put(repo, "a.txt", b"old")
    API.create_tag(repo, tag="v1", tag_message="first")
    new = put(repo, "a.txt", b"new")
    for revision in ("v1", old, old[:8]):
        assert get(repo, "a.txt", revision=revision) == b"old"
        assert API.model_info(repo, revision=revision).sha == old
    assert get(repo, "a.txt") == get(repo, "a.txt", revision=new) == b"new"
    log = API.list_repo_commits(repo)
    assert [commit.commit_id for commit in log[:2]] == [new, old]
    assert len(old) == 40
    assert log[-1].title == "initial commit"


def test_a_tag_stands_on_one_commit(repo):
    sha = put(repo, "a.txt", b"1")
    API.create_tag(repo, tag="v1")
    with pytest.raises(HfHubHTTPError) as taken:
        API.create_tag(repo, tag="v1")
    assert taken.value.response.status_code == 409
    API.create_tag(repo, tag="v1", exist_ok=True)
    put(repo, "b.txt", b"2")
    refs = API.list_repo_refs(repo)
    assert {ref.name: ref.target_commit for ref in refs.tags} == {"v1": sha}
    assert {ref.name for ref in refs.branches} == {"main"}
    with pytest.raises(RevisionNotFoundError):
        API.create_tag(repo, tag="v2", revision="v9")


def test_commits_go_to_branches_only(repo):
    sha = put(repo, "a.txt", b"1")
    API.create_tag(repo, tag="v1")
    for revision in ("v1", sha, "nowhere"):
        with pytest.raises(RevisionNotFoundError):
            put(repo, "a.txt", b"2", revision=revision)
    assert API.model_info(repo).sha == sha


def test_one_commit_adds_and_deletes(repo):
    put(repo, "old/a.txt", b"a")
    put(repo, "old/b.bin", BINARY)
    put(repo, "lone.txt", b"c")
    changes = [
        CommitOperationDelete("lone.txt"),
        CommitOperationDelete("old/a.txt"),
        CommitOperationAdd("new/b.bin", BINARY),
        CommitOperationAdd("new/d.txt", b"d"),
    ]
    API.create_commit(repo, changes, commit_message="Move files", commit_description="at last")
    assert set(API.list_repo_files(repo)) == {".gitattributes", "old/b.bin", "new/b.bin", "new/d.txt"}
    assert get(repo, "new/b.bin") == BINARY
    latest = API.list_repo_commits(repo)[0]
    assert (latest.title, latest.message, latest.authors) == ("Move files", "at last", ["demo"])


def test_a_commit_is_made_wholly_or_not_at_all(repo):
    before = put(repo, "a.txt", b"a")
    changes = [CommitOperationAdd("b.txt", b"b"), CommitOperationDelete("not-there.txt")]
    with pytest.raises(EntryNotFoundError):
        API.create_commit(repo, changes, commit_message="Half")
    assert API.model_info(repo).sha == before


def test_commits_made_at_once_all_land(repo):
    with ThreadPoolExecutor(8) as pool:
        shas = set(pool.map(lambda i: put(repo, f"{i}.bin", BINARY + bytes([i])), range(8)))
    assert len(shas) == 8
    assert {f"{i}.bin" for i in range(8)} < set(API.list_repo_files(repo))
    assert len(API.list_repo_commits(repo)) == 9


def test_what_has_not_changed_is_not_committed_again(repo, tmp_path):
    (tmp_path / "a.bin").write_bytes(BINARY)
    (tmp_path / "a.txt").write_text("ä")
    first = API.upload_folder(repo_id=repo, folder_path=tmp_path)
    assert API.upload_folder(repo_id=repo, folder_path=tmp_path).oid == first.oid


def test_equal_contents_are_stored_once(repo, hub):
    put(repo, "a.bin", BINARY)
    stored = {path for path in (hub.root / "blobs").rglob("*") if path.is_file()}
    put(repo, "b.bin", BINARY)
    API.delete_file("a.bin", repo)
    assert {path for path in (hub.root / "blobs").rglob("*") if path.is_file()} == stored


def test_names_that_are_not_there_raise_their_own_errors(repo):
    with pytest.raises(RepositoryNotFoundError):
        API.model_info("demo/missing")
    with pytest.raises(RepositoryNotFoundError):
        API.dataset_info(repo)
    with pytest.raises(RepositoryNotFoundError):
        API.model_info("no-namespace")
    with pytest.raises(RevisionNotFoundError):
        hf_hub_download(repo, "config.json", revision="0" * 40)
    with pytest.raises(EntryNotFoundError):
        hf_hub_download(repo, "config.json")
    assert not API.file_exists(repo, "config.json")
    with pytest.raises(EntryNotFoundError):
        list(API.list_repo_tree(repo, "no/folder"))


def test_the_tree_lists_folders_and_sizes(repo):
    put(repo, "data/a b/ü.txt", b"12345")
    put(repo, "data/x.bin", BINARY)
    assert [(entry.path, hasattr(entry, "size")) for entry in API.list_repo_tree(repo, "data")] == [
        ("data/a b", False),
        ("data/x.bin", True),
    ]
    everything = {entry.path: entry for entry in API.list_repo_tree(repo, recursive=True)}
    assert everything["data/a b/ü.txt"].size == 5
    assert everything["data/x.bin"].lfs.size == len(BINARY)
    assert get(repo, "data/a b/ü.txt") == b"12345"


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("bytes=10-19", 206, BINARY[10:20]),
        ("bytes=-5", 206, BINARY[-5:]),
        ("bytes=10000-", 206, BINARY[10000:]),
        ("bytes=20000-", 416, None),
    ],
    ids=["middle", "end", "rest", "behind"],
)
def test_ranges(repo, hub, asked, status, expected):
    put(repo, "x.bin", BINARY)
    answer = httpx2.get(f"{hub.url}/{repo}/resolve/main/x.bin", headers={"Range": asked})
    assert answer.status_code == status
    assert expected in (None, answer.content)


def test_an_interrupted_download_is_resumed(repo, tmp_path):
    put(repo, "x.bin", BINARY)
    (stored,) = (file for file in API.list_repo_tree(repo) if file.path == "x.bin")
    folder = tmp_path / f"models--{repo.replace('/', '--')}" / "blobs"
    folder.mkdir(parents=True)
    (folder / f"{stored.lfs.sha256}.incomplete").write_bytes(BINARY[:1000])
    assert get(repo, "x.bin", cache_dir=tmp_path) == BINARY


def test_creating_twice_is_a_conflict_unless_allowed(hub):
    assert API.create_repo("twice").repo_id == "demo/twice"
    with pytest.raises(HfHubHTTPError) as conflict:
        API.create_repo("demo/twice")
    assert conflict.value.response.status_code == 409
    assert API.create_repo("demo/twice", exist_ok=True).repo_id == "demo/twice"
