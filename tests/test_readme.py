"""Every command of the README, run as it stands, with recipes made tiny and a Hub of the tests' own.

A fenced block's words after its language say how it runs: nothing (as it stands), `serve` (in the background, for the
`while serving` blocks), `elsewhere` (where this project cannot be imported), `demo` and `suite` (run by .ci/run).
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from huggingface_hub import HfApi
from PIL import Image
from support import ROOT, free_port, save_tiny_backbone

from cxr.local_hub import TOKEN, LocalHub, environment
from cxr.phantom import draw_phantom
from cxr.schema.labels import COVID, LABELS
from cxr.schema.probes import PROBES
from cxr.training.reporting import card

BLOCK = re.compile(r"^```(bash|python)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TINY = {"backbone": "microsoft/resnet-50", "input_size": 32, "num_train_epochs": 1, "precision": "fp32"}


def blocks(*kinds: str) -> list[str]:
    found = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    return [text for language, kind, text in found if f"{language}{kind}".strip() in kinds]


def copy_project(target: Path) -> Path:
    """The files that a clone would have, with every recipe made tiny."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    for recipe in (target / "recipes").glob("*.yaml"):
        settings = yaml.safe_load(recipe.read_text(encoding="utf-8"))
        kept = {name: settings[name] for name in settings if name not in ("from_scratch", "early_stopping_patience")}
        recipe.write_text(yaml.safe_dump(kept | TINY), encoding="utf-8")
    return target


def save_phantom(path: Path, seed: int, label: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_phantom(seed, label).image).save(path)


def make_data(data: Path) -> Path:
    """What `$DATA` stands for: class folders, a table and a covid-chestxray-dataset, each of a few phantoms."""
    table, metadata = ["file,source,label"], ["patientid,finding,view,modality,filename,folder"]
    for seed in range(80):
        label = seed % 2
        save_phantom(data / "xrays" / LABELS[label] / f"{seed}.png", seed, label)
        save_phantom(data / "ieee8023" / "images" / f"{seed}.png", 1000 + seed, label)
        table.append(f"xrays/{LABELS[label]}/{seed}.png,clinic,{LABELS[label]}")
        finding = "COVID-19" if label == COVID else "No Finding"
        metadata.append(f"{seed},{finding},PA,X-ray,{seed}.png,images")
    (data / "manifest.csv").write_text("\n".join(table), encoding="utf-8")
    (data / "ieee8023" / "metadata.csv").write_text("\n".join(metadata), encoding="utf-8")
    return data


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A copy of the project and the environment of somebody who reads the README in it."""
    home = tmp_path_factory.mktemp("readme")
    tokens = {TOKEN: {"name": "demo", "role": "write", "orgs": ["microsoft"]}}
    with LocalHub(home / "hub", tokens=tokens) as hub:
        api = HfApi(endpoint=hub.url, token=TOKEN)
        api.create_repo("microsoft/resnet-50")
        api.upload_folder(repo_id="microsoft/resnet-50", folder_path=save_tiny_backbone(home / "backbone"))
        project = copy_project(home / "project")
        save_phantom(project / "patient.png", 7, COVID)
        env = environment(hub.url, home / "hf") | {"DATA": str(make_data(home / "data")), "MODEL": "demo/readme"}
        env |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "ACCELERATE_USE_CPU": "true"}
        yield project, env


def shell(script: str, cwd: Path, env: dict[str, str]) -> None:
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{script}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"


@contextmanager
def in_background(script: str, cwd: Path, env: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(["bash", "-c", f"exec {script}"], cwd=cwd, env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert any("Listening on" in line for line in process.stdout), "the app ended before it listened"
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_every_command_runs_as_it_stands(clone):
    project, env = clone
    scripts = sorted(blocks("bash"), key=lambda text: "predict.py --model $MODEL" in text)
    for script in scripts:
        shell(script, project, env)
    port = str(free_port())
    (serve,) = blocks("bash serve")
    with in_background(serve.replace("7860", port), project, env):
        for script in blocks("python while serving"):
            shell(f"python - <<'END'\n{script.replace('7860', port)}\nEND", project, env)
    elsewhere = project.parent / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(project / "patient.png", elsewhere)
    for script in blocks("python elsewhere"):
        assert "cxr" not in re.findall(r"(?:from|import) (\w+)", script)
        shell(f"python - <<'END'\n{script}\nEND", elsewhere, env)


def test_every_block_has_a_kind_that_is_run():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    known = [
        "bash",
        "bash serve",
        "bash install",
        "bash demo",
        "bash suite",
        "python while serving",
        "python elsewhere",
    ]
    assert text.count("```") == 2 * len(blocks(*known))
    assert blocks("bash", "bash serve", "python while serving", "python elsewhere")


RESULTS = ROOT / "docs" / "results"
SHOWN = {name: f"shown {PROBES[name].short}" for name in ("source", "file", "border", "lungs_blacked_out")}
SHOWN["source"] = f"a classifier {SHOWN['source']}"


def facts(run: str, name: str) -> dict:
    return json.loads((RESULTS / run / name).read_text(encoding="utf-8"))


def result_rows() -> list[str]:
    """The results table's rows as the runs' own files give them."""
    runs = [facts(run, "metrics.json") for run in ("outside", "both")]
    audits = [facts(run, "dataset_report.json")["audit"]["probes"] for run in ("outside", "both")]

    def auroc(scores: dict) -> str:
        low, high = scores["intervals"]["auroc"]
        return f"{scores['auroc']:.3f} ({low:.3f}–{high:.3f}), n = {scores['n']}"

    rows = [["test split, inside", *(auroc(run["test"]) for run in runs)]]
    rows += [["`ieee8023`, outside", auroc(runs[0]["external"]["ieee8023"]), "trained on it"]]
    for name, said in SHOWN.items():
        probes = [next(probe for probe in audit if probe["name"] == name) for audit in audits]
        rows += [[said, *(f"{probe['auroc']:.3f} ({probe['low']:.3f}–{probe['high']:.3f})" for probe in probes)]]
    return [f"| {' | '.join(row)} |" for row in rows]


def judgement(run: str) -> str:
    card = (RESULTS / run / "README.md").read_text(encoding="utf-8")
    return card.split("## Summary\n\n**")[1].split("**")[0]


def test_the_results_are_those_of_the_runs_they_name():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\n".join(result_rows()) in text
    joined = " ".join(text.split())
    for run in ("outside", "both"):
        assert f"*{judgement(run)}*" in joined
    log = " ".join((RESULTS / "LOG.md").read_text(encoding="utf-8").split())
    assert joined.split("failures too: [docs/results/LOG.md](docs/results/LOG.md). ")[1].split(" ## ")[0] in log


@pytest.mark.parametrize("run", ["outside", "both"])
def test_the_committed_cards_are_what_their_files_give(run, tmp_path):
    folder = shutil.copytree(RESULTS / run, tmp_path / run)
    card.write_card(folder)
    assert (folder / "README.md").read_text(encoding="utf-8") == (RESULTS / run / "README.md").read_text(
        encoding="utf-8"
    )
    assert {path.parent.name for path in RESULTS.rglob("*.[jp][pn]g")} == {"figures"}


def test_the_commands_beside_the_results_are_the_readmes():
    (commands,) = BLOCK.findall((RESULTS / "README.md").read_text(encoding="utf-8"))
    assert commands[2] in (ROOT / "README.md").read_text(encoding="utf-8")


def test_what_is_not_run_here_is_run_by_ci_or_by_make():
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert [text.strip() for text in blocks("bash demo", "bash suite")] == ["make demo", "make test"]
    assert "make demo SERVE=0" in ci
    assert "make test" in ci
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (install,) = blocks("bash install")
    for line in ("-m venv", "pip install -r requirements.txt"):
        assert line in install
        assert line in makefile
