"""Who may read and write what on the embedded Hub, and which requests it refuses from every user."""

import base64
import hashlib
import json

import httpx2
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from cxr.local_hub import TOKEN, USER, LocalHub

TOKENS = {
    "hf_writer": {"name": "ann", "role": "write", "orgs": ["clinic"]},
    "hf_reader": {"name": "ann", "role": "read", "orgs": []},
    "hf_other": {"name": "bob", "role": "write", "orgs": []},
}
AUTH = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def clinic(tmp_path):
    """A Hub with accounts of its own, and a public and a private repo of ann's."""
    with LocalHub(tmp_path / "hub", tokens=TOKENS) as hub:
        ann = HfApi(hub.url, token="hf_writer")
        ann.create_repo("ann/public")
        ann.create_repo("ann/private", private=True)
        ann.upload_file(path_or_fileobj=b"secret", path_in_repo="a.txt", repo_id="ann/private")
        yield hub


def status_of(call, *args, **options):
    with pytest.raises(HfHubHTTPError) as refused:
        call(*args, **options)
    return refused.value.response.status_code


def test_whoami_says_name_role_and_organisations(hub, clinic):
    assert HfApi().whoami()["name"] == USER
    said = HfApi(clinic.url, token="hf_reader").whoami()
    assert (said["name"], said["auth"]["accessToken"]["role"]) == ("ann", "read")
    assert [org["name"] for org in HfApi(clinic.url, token="hf_writer").whoami()["orgs"]] == ["clinic"]
    assert status_of(HfApi(clinic.url, token="hf_unknown").whoami) == 401
    assert httpx2.get(f"{clinic.url}/api/whoami-v2").status_code == 401


@pytest.mark.parametrize(("token", "status"), [(False, 401), ("hf_nobody", 401), ("hf_reader", 403), ("hf_other", 403)])
def test_writing_needs_a_write_token_of_the_owner(clinic, token, status):
    api = HfApi(clinic.url, token=token)
    writes = [
        lambda: api.create_repo("ann/new"),
        lambda: api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id="ann/public"),
        lambda: api.upload_file(path_or_fileobj=b"x", path_in_repo="x.bin", repo_id="ann/public"),
        lambda: api.create_tag("ann/public", tag="v1"),
    ]
    assert [status_of(write) for write in writes] == [status] * len(writes)
    assert [commit.title for commit in api.list_repo_commits("ann/public")] == ["initial commit"]


def test_an_organisation_is_written_to_by_its_members(clinic):
    assert HfApi(clinic.url, token="hf_writer").create_repo("clinic/model").repo_id == "clinic/model"
    assert status_of(HfApi(clinic.url, token="hf_other").create_repo, "clinic/other") == 403


def test_a_private_repo_exists_for_its_owner_only(clinic, tmp_path):
    owner, stranger = HfApi(clinic.url, token="hf_reader"), HfApi(clinic.url, token="hf_other")
    assert owner.model_info("ann/private").private is True
    for api in (stranger, HfApi(clinic.url, token=False)):
        with pytest.raises(RepositoryNotFoundError):
            api.model_info("ann/private")
        with pytest.raises(RepositoryNotFoundError):
            api.hf_hub_download("ann/private", "a.txt", cache_dir=tmp_path)
    assert stranger.model_info("ann/public").private is False


@pytest.mark.parametrize("name", ["..", ".", "../up", "a/b", "a b", "", "-x", "a--b", "x.git", "ü", "a\0b", None, 7])
def test_impossible_repo_names_are_refused(hub, name):
    answer = httpx2.post(f"{hub.url}/api/repos/create", headers=AUTH, json={"name": name, "type": "model"})
    assert answer.status_code == 400
    known = {"name": "x", "type": "../models"}
    assert httpx2.post(f"{hub.url}/api/repos/create", headers=AUTH, json=known).status_code == 400


PATHS = ["../x", "a/../../x", "/etc/x", "a//b", "./a", "a\\..\\x", ".git/config", "", "a/"]


@pytest.mark.parametrize("path", PATHS)
def test_paths_that_leave_the_folder_are_refused(hub, path):
    HfApi().create_repo("demo/paths", exist_ok=True)
    file = {"path": path, "content": base64.b64encode(b"x").decode(), "encoding": "base64"}
    lines = [{"key": "header", "value": {"summary": "s"}}, {"key": "file", "value": file}]
    body = "\n".join(map(json.dumps, lines))
    url = f"{hub.url}/api/models/demo/paths"
    assert httpx2.post(f"{url}/commit/main", headers=AUTH, content=body).status_code == 400
    planned = httpx2.post(f"{url}/preupload/main", headers=AUTH, json={"files": [{"path": path, "size": 1}]})
    assert planned.status_code == 400
    assert HfApi().list_repo_files("demo/paths") == [".gitattributes"]


@pytest.mark.parametrize(
    "path",
    [
        "api/models/%2e%2e/%2e%2e",
        "api/models/..%2F..%2Fetc/passwd",
        "api/models/demo/safe/revision/..%2F..%2Frepo",
        "api/models/demo/safe/revision/*******",
        "demo/safe/resolve/main/..%2F..%2Frepo.json",
        "demo/safe/resolve/..%2F..%2Fmodels/repo.json",
        "demo/safe/resolve/main/%2Fetc%2Fpasswd",
        "%2e%2e/%2e%2e/resolve/main/etc/passwd",
        "lfs/..%2F..%2Fetc",
    ],
)
def test_addresses_that_leave_the_root_lead_nowhere(hub, path):
    HfApi().create_repo("demo/safe", exist_ok=True)
    assert httpx2.get(f"{hub.url}/{path}").status_code in (404, 405)


def announce(hub, oid, size):
    body = {"operation": "upload", "objects": [{"oid": oid, "size": size}]}
    return httpx2.post(f"{hub.url}/demo/lfs.git/info/lfs/objects/batch", headers=AUTH, json=body)


def test_an_lfs_upload_must_be_what_was_announced(hub):
    HfApi().create_repo("demo/lfs", exist_ok=True)
    content = b"\0true content"
    oid = hashlib.sha256(content).hexdigest()
    href = announce(hub, oid, len(content)).json()["objects"][0]["actions"]["upload"]["href"]
    for wrong in (b"\0true contenT", content + b"x", content[:-1], b""):
        assert httpx2.put(href, content=wrong).status_code == 400
    assert "actions" in announce(hub, oid, len(content)).json()["objects"][0]
    assert httpx2.put(href, content=content).status_code == 200
    assert "actions" not in announce(hub, oid, len(content)).json()["objects"][0]
    assert list((hub.root / "partial").iterdir()) == []


@pytest.mark.parametrize("oid", ["../../x", "0" * 63, "G" * 64, "A" * 64, None, 5])
def test_lfs_ids_that_are_no_digests_are_refused(hub, oid):
    HfApi().create_repo("demo/lfs", exist_ok=True)
    assert announce(hub, oid, 1).status_code == 400


def test_an_lfs_file_that_was_never_uploaded_cannot_be_committed(hub):
    HfApi().create_repo("demo/lfs", exist_ok=True)
    file = {"path": "x.bin", "algo": "sha256", "oid": "0" * 64, "size": 1}
    lines = [{"key": "header", "value": {"summary": "s"}}, {"key": "lfsFile", "value": file}]
    url = f"{hub.url}/api/models/demo/lfs/commit/main"
    assert httpx2.post(url, headers=AUTH, content="\n".join(map(json.dumps, lines))).status_code == 400


@pytest.mark.parametrize("body", ["", "no json", "[1]", '{"key": "file"}', '{"key": "odd", "value": {"path": "a"}}'])
def test_a_malformed_commit_is_refused(hub, body):
    HfApi().create_repo("demo/lfs", exist_ok=True)
    url = f"{hub.url}/api/models/demo/lfs/commit/main"
    assert httpx2.post(url, headers=AUTH, content=body).status_code == 400


def test_what_it_does_not_answer_it_says(hub):
    answer = httpx2.get(f"{hub.url}/api/collections/x")
    assert answer.status_code == 404
    assert "does not answer GET /api/collections/x" in answer.json()["error"]
