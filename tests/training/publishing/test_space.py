"""The Space: what it holds, what pins it, and that it answers from its own folder, without this project."""

import ast
import re
import shutil
import subprocess
import sys
import uuid
from importlib.metadata import version
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from huggingface_hub import HfApi, metadata_load, snapshot_download
from PIL import Image
from support import ROOT, serving

from cxr import hub as client
from cxr import import_closure
from cxr.errors import UserError
from cxr.phantom import draw_phantom
from cxr.schema.labels import COVID
from cxr.schema.verdicts import DISCLAIMER
from cxr.training.publishing import publication
from cxr.training.publishing.publication import Destination, Publication
from cxr.training.reporting.model_card import headline, read_facts


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "model")


@pytest.fixture
def wanted() -> Destination:
    name = f"demo/space-{uuid.uuid4().hex[:8]}"
    return Destination(f"{name}-model", "v1", name)


@pytest.fixture(scope="module")
def published(finished: Path) -> Publication:
    name = f"demo/space-{uuid.uuid4().hex[:8]}"
    return publication.publish(finished, Destination(f"{name}-model", "v1", name))


@pytest.fixture(scope="module")
def snapshot(published: Publication, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Space's builder would clone."""
    into = tmp_path_factory.mktemp("space")
    return Path(snapshot_download(published.to.space, repo_type="space", local_dir=into))


def files_of(space: str) -> set[str]:
    return set(HfApi().list_repo_files(space, repo_type="space")) - {".gitattributes"}


def commits_of(space: str) -> list[str]:
    return [commit.title for commit in HfApi().list_repo_commits(space, repo_type="space")]


def test_it_is_one_commit_of_the_app_and_what_it_imports(published):
    held = files_of(published.to.space)
    assert commits_of(published.to.space) == [
        f"Show {published.to.repo_id} at {published.revision[:7]}",
        "initial commit",
    ]
    assert {
        "app.py",
        "README.md",
        "LICENSE",
        "requirements.txt",
        "cxr/serving/web/style.css",
        "cxr/hub/pull.py",
    } <= held
    assert not [name for name in held if re.match("cxr/(training|local_hub)|dataset_script|tests|train_hf", name)]
    assert HfApi().space_info(published.to.space).sdk == "gradio"


def test_the_front_matter_is_complete_and_pins_the_commit(published, snapshot):
    front = metadata_load(snapshot / "README.md")
    ours = metadata_load(ROOT / "README.md")
    kept = (
        "title",
        "emoji",
        "colorFrom",
        "colorTo",
        "sdk",
        "python_version",
        "app_file",
        "license",
        "short_description",
    )
    assert {key: front[key] for key in kept} == {key: ours[key] for key in kept}
    assert front["sdk_version"] == version("gradio")
    assert front["models"] == [published.to.repo_id]
    (preloaded,) = front["preload_from_hub"]
    model, files, revision = preloaded.split(" ")
    assert (model, revision) == (published.to.repo_id, published.revision)
    pulled = client.pull(model, revision).folder
    assert set(files.split(",")) == {path.name for path in pulled.iterdir() if path.is_file()}


def test_its_page_states_the_results_and_the_disclaimer(finished, published, snapshot):
    text = " ".join((snapshot / "README.md").read_text(encoding="utf-8").split())
    results = " ".join(headline(read_facts(finished)[0]).split())
    for part in (DISCLAIMER, results, published.revision, published.to.repo_id):
        assert part in text


def test_its_requirements_are_ours_and_cover_every_import(snapshot):
    ours = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    lines = (snapshot / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == [line for line in ours if line in lines]
    names = {re.split(r"[=<>\[]", line)[0] for line in lines if not line.startswith("#")}
    assert {"torch", "transformers", "gradio", "pydicom", "imagecodecs"} <= names
    assert names.isdisjoint({"accelerate", "datasets", "evaluate", "scikit-learn", "faiss-cpu", "uvicorn"})


@pytest.mark.slow
def test_it_answers_from_its_own_folder_at_its_commit_even_after_the_model_moved_on(folder, wanted, tmp_path):
    done = publication.publish(folder, wanted)
    (folder / "recipe.yaml").write_text("seed: 1\n", encoding="utf-8")
    assert publication.publish(folder, Destination(wanted.repo_id, "v2")).revision != done.revision
    into = snapshot_download(wanted.space, repo_type="space", local_dir=tmp_path / "space")
    radiograph = tmp_path / "phantom.png"
    Image.fromarray(draw_phantom(5, COVID).image).save(radiograph)
    alone = {"PYTHONPATH": "", "SPACE_ID": wanted.space}
    with serving("--host", "127.0.0.1", app=Path(into) / "app.py", cwd=Path(into), env=alone) as url:
        answer = Client(url, verbose=False).predict(handle_file(radiograph), api_name="/predict")
    assert (answer["model_id"], answer["revision"]) == (wanted.repo_id, done.revision)
    # an editable installation of this checkout would find what the Space does not hold
    probe = "import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'Editable' not in repr(f)]; "
    probe += "import importlib.util as u, app; print([u.find_spec(n) for n in ('cxr.training', 'dataset_script')])"
    printed = subprocess.run([sys.executable, "-c", probe], cwd=into, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[None, None]"


def test_another_model_replaces_it_and_nothing_stale_stays(folder, wanted):
    publication.publish(folder, wanted)
    HfApi().upload_file(
        path_or_fileobj=b"x = 1", path_in_repo="cxr/serving/gone.py", repo_id=wanted.space, repo_type="space"
    )
    (folder / "recipe.yaml").write_text("seed: 1\n", encoding="utf-8")
    second = publication.publish(folder, Destination(wanted.repo_id, "v2", wanted.space))
    assert "cxr/serving/gone.py" not in files_of(wanted.space)
    readme = Path(HfApi().hf_hub_download(wanted.space, "README.md", repo_type="space")).read_text(encoding="utf-8")
    assert second.revision in readme
    assert publication.publish(folder, Destination(wanted.repo_id, "v2", wanted.space)) == second


def test_a_space_of_something_else_is_left_alone(folder, wanted):
    HfApi().create_repo(wanted.space, repo_type="space", space_sdk="static")
    HfApi().upload_file(path_or_fileobj=b"<p>mine", path_in_repo="index.html", repo_id=wanted.space, repo_type="space")
    with pytest.raises(UserError, match=rf"{wanted.space} holds files .*index\.html.*choose another name"):
        publication.publish(folder, wanted)
    assert files_of(wanted.space) == {"index.html"}


def test_a_private_models_space_is_private_and_needs_a_token(folder, wanted):
    lines = str(publication.publish(folder, Destination(wanted.repo_id, None, wanted.space, private=True)))
    assert HfApi().space_info(wanted.space).private
    assert "secret HF_TOKEN" in lines.splitlines()[1]
    assert str(publication.publish(folder, wanted)).splitlines()[1] == lines.splitlines()[1]


def test_every_module_that_the_app_imports_is_found_by_reading():
    """Against the imports of a running interpreter: what it loads of ours, the reading must have found."""
    imports = "import app, sys; from cxr.serving import predictor; from cxr.serving.web import server, interface"
    code = f"{imports}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name for name in run.stdout.split() if name.partition(".")[0] in ("app", "cxr")}
    found = {
        ".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in import_closure.sources("app.py")
    }
    assert loaded <= found
    assert all(
        ast.parse((ROOT / path).read_text(encoding="utf-8"))
        for path in import_closure.sources("app.py")
        if path.suffix == ".py"
    )


COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


def test_the_front_matter_is_one_that_the_hub_accepts(snapshot):
    """The rules of https://huggingface.co/docs/hub/spaces-config-reference, which the Hub checks at a push."""
    front = metadata_load(snapshot / "README.md")
    texts = ("title", "emoji", "sdk_version", "python_version", "app_file", "license", "short_description")
    assert {name for name in texts if not isinstance(front[name], str)} == set()
    assert front["sdk"] == "gradio"
    assert {front["colorFrom"], front["colorTo"]} <= COLOURS
    assert all(re.fullmatch(r"\d+(\.\d+){0,2}", front[name]) for name in ("sdk_version", "python_version"))
    assert len(front["short_description"]) <= 60
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+ \S+ [0-9a-f]{40}", preload) for preload in front["preload_from_hub"])


def test_an_installed_package_says_that_a_space_needs_a_checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(import_closure, "ROOT", tmp_path)
    with pytest.raises(UserError, match=r"has no app\.py: publish it from a clone"):
        publication.preflight(Destination("demo/model", space="demo/space"))
