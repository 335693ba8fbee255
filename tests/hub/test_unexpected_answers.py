"""Answers of another shape than the Hub's, at every step of a publication: one line, never a traceback."""

import uuid
from pathlib import Path

import pytest
from raw import prepare

from dataset_script.publish import main

STEPS = (
    "/api/datasets/",
    "/whoami",
    "/repos/create",
    "/preupload/",
    "/validate-yaml",
    "/lfs/objects/batch",
    "/commit/",
)
BODIES = (b"", b"null", b"[]", b"{}", b"3", b'"x"', b"[[]]", b'{"name": 3, "orgs": 3, "auth": [], "siblings": {}}')
MORE = (
    b'{"files": [3], "objects": [{}], "commitOid": null, "commitUrl": 7, "orgs": [null]}',
    b"[" * 9000,
    b"\xff\xfe{",
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("answers") / "dataset"
    prepare(folder, "phantom=12", image_size=16, search=False)
    return folder


@pytest.mark.parametrize("path", STEPS)
def test_a_step_that_is_answered_with_something_else_is_one_line(dataset, hub, path, capsys):
    repo = f"demo/answers-{uuid.uuid4().hex[:8]}"
    for body in (*BODIES, *MORE):
        asked = hub.faults.add(
            path=path, times=None, status=200, body=body, headers={"Content-Type": "application/json"}
        )
        code = main([str(dataset), repo])
        error = capsys.readouterr().err
        assert asked.hits or path == "/lfs/objects/batch", body  # nothing is uploaded twice
        assert code == 0 or (code == 2 and error.startswith("error: not published: ") and error.count("\n") == 1), body
        hub.faults.clear()
    assert main([str(dataset), repo]) == 0
