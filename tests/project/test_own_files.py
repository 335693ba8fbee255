"""The project's own files agree with each other: requirements, CI, hooks, front matter, architecture."""

import re
from importlib.metadata import version

import pytest
import yaml
from huggingface_hub import metadata_load
from support import ROOT


def lines(name: str) -> list[str]:
    """The lines of a file, less comments and blank ones."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def recipe(target: str) -> list[str]:
    """The commands of a target of the Makefile."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return re.search(rf"^{target}:.*\n((?:\t.*\n)+)", text, re.MULTILINE)[1].replace("\t", "").splitlines()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_bounded_at_both_ends(name):
    required = [line for line in lines(name) if not line.startswith("-")]
    assert required
    for line in required:
        assert re.fullmatch(r"[\w-]+(\[\w+\])?(==[\w.]+|>=[\w.]+,<[\w.]+)", line), line


def test_every_requirement_is_explained_in_the_readme():
    rows = re.findall(r"^\| ([\w ,-]+) \| .+ \|$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    explained = {name.lower() for row in rows for name in row.split(", ")}
    for line in lines("requirements.txt"):
        assert re.split(r"[=><\[]", line)[0].lower() in explained, line


def test_space_front_matter_names_the_gradio_that_the_requirements_allow():
    front = metadata_load(ROOT / "README.md")
    assert front["sdk"] == "gradio"
    assert front["app_file"] == "app.py"
    assert front["python_version"] == "3.11"
    assert front["license"] == "apache-2.0"
    assert len(front["short_description"]) <= 60
    assert front["sdk_version"].split(".")[0] == version("gradio").split(".")[0]


def test_ci_runs_the_linters_the_demo_and_the_whole_suite():
    called = lines(".ci/run")[-5:]
    tests = "REQUIRE_CHROMIUM=1 REQUIRE_DCMTK=1 make test"
    assert called == ["make lint", "make chromium", "make peers", "make demo SERVE=0", tests]
    linters = [command.removeprefix("$(BIN)/") for command in recipe("lint")]
    assert {"ruff check .", "ruff format --check .", "lint-imports", "mypy"} <= set(linters)


def test_the_workflow_and_the_commit_hook_call_nothing_of_their_own():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    used = [step["uses"].split("@")[0] for step in job["steps"] if "uses" in step]
    assert used == ["actions/checkout", "actions/setup-python"]
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert repository["repo"] == "local"
    assert [hook["entry"] for hook in repository["hooks"]] == ["make lint"]


def packages() -> set[str]:
    """Every package of the project, as a path."""
    found = [
        path.parent for top in ("cxr", "dataset_script", "experiments") for path in (ROOT / top).rglob("__init__.py")
    ]
    return {folder.relative_to(ROOT).as_posix() for folder in found}


def test_the_architecture_names_every_package_and_no_other():
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([\w/]+)` \|", page, re.MULTILINE)) == packages()
    drawing = page.split("```mermaid")[1].split("```")[0]
    chains = re.findall(r"^ +\w+(?: (?:-->|~~~) \w+)+$", drawing, re.MULTILINE)
    drawn = {name for chain in chains for name in re.findall(r"\w+", chain)} - {"users", "library"}
    names = {name.rpartition("/")[2] for name in packages()}
    assert names - {"cxr", "dataset_script", "training", "assessment", "serving", "layouts", "experiments"} <= drawn
    modules = {path.stem for top in ("cxr", "dataset_script") for path in (ROOT / top).rglob("*.py")}
    assert drawn <= names | modules


@pytest.mark.slow
def test_the_structure_of_the_code_is_measured(run_cli):
    done = run_cli(["benchmarks/structure.py", "answer", "--list"])
    assert done.returncode == 0, done.stderr
    modules = {
        name: int(count) for name, count in re.findall(r"^([\w/.]+) +(\d+) +\d+ +\d+$", done.stdout, re.MULTILINE)
    }
    for folder in packages() - {"cxr/schema"}:
        written = [path for path in (ROOT / folder).glob("*.py") if path.name != "__init__.py"]
        assert modules.get(folder, 0) >= len(written), folder
    files, hops = map(int, re.search(r"^answer +(\d+) +(\d+)$", done.stdout, re.MULTILINE).groups())
    listed = re.findall(r"^    (\S+) -> (\S+)$", done.stdout, re.MULTILINE)
    assert len(listed) == hops
    # a module that is entered from a library's thread has no caller among ours
    assert files >= len({module for pair in listed for module in pair}) > files // 2
    assert "cxr/serving/predictor.py" in {called for _, called in listed}
