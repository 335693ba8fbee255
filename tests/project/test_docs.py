"""The pages: every command on them runs as it stands, and every number on them is that of the run it names.

Recipes are made tiny and the Hub is the tests' own. The words after a fenced block's language say how it runs: none (as
it stands), `serve` (in the background, for the `while serving` blocks), `elsewhere` (where this project cannot be
imported), `install`, `demo` and `suite` (run by `make` and .ci/run). A command that stands on two pages runs once.
"""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from huggingface_hub import HfApi
from PIL import Image
from support import ROOT, free_port, save_tiny_backbone

from cxr.imaging.limits import MAX_DECODED_BYTES, MAX_FILE_BYTES, MAX_PIXELS
from cxr.local_hub import TOKEN, LocalHub, environment
from cxr.network import heatmap_quality
from cxr.phantom import draw_phantom
from cxr.schema.labels import COVID, LABELS, NON_COVID
from cxr.schema.probes import PROBES
from cxr.serving.web.protection import limits, uploads
from cxr.training.arguments import AugmentationArguments, DataArguments, ModelArguments, RunArguments
from cxr.training.reporting import model_card
from dataset_script.collections import LAYOUTS

RESULTS = ROOT / "docs" / "results"
PAGES = ("README.md", "docs/*.md", "docs/results/README.md", "CONTRIBUTING.md", "CHANGELOG.md")
RUN_HERE = ("bash", "bash serve", "python", "python while serving", "python elsewhere")
RUN_BY_MAKE = ("bash install", "bash demo", "bash suite")
BLOCK = re.compile(r"^```(bash|python)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_TINY = ("from_scratch", "early_stopping_patience", "progressive_resizing")
TINY = {"backbone": "microsoft/resnet-50", "input_size": 32, "num_train_epochs": 1, "precision": "fp32"}


def pages() -> list[Path]:
    return [path for pattern in PAGES for path in sorted(ROOT.glob(pattern))]


def blocks_of(files: Iterable[Path], *kinds: str) -> list[str]:
    """The blocks of these kinds on these pages, each once."""
    listed = [block for file in files for block in BLOCK.findall(file.read_text(encoding="utf-8"))]
    return list(dict.fromkeys(text for language, kind, text in listed if f"{language}{kind}".strip() in kinds))


def blocks(*kinds: str) -> list[str]:
    """The blocks of these kinds on all pages, each once."""
    return blocks_of(pages(), *kinds)


def commands_of(files: Iterable[Path]) -> list[str]:
    """The commands to be run as they stand, each once; those that need a published model come last."""
    lines = [line for text in blocks_of(files, "bash") for line in re.split(r"(?<!\\)\n", text) if line]
    return sorted(dict.fromkeys(lines), key=lambda line: "predict.py --model $MODEL" in line)


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
        kept = {name: value for name, value in settings.items() if name not in NOT_TINY}
        recipe.write_text(yaml.safe_dump(kept | TINY), encoding="utf-8")
    return target


def save_phantom(path: Path, seed: int, label: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_phantom(seed, label).image).save(path)


MANIFEST_HEADER = "file,source,label,finding,patient_id,view"
MANIFEST = (
    ("cxnet/{:03}.jpg", "cxnet", COVID, "covid", 40),
    ("nih/no_finding/{:08}_000.jpg", "nih", NON_COVID, "no_finding", 20),
    ("nih/pneumonia/{:08}_000.jpg", "nih", NON_COVID, "pneumonia", 20),
)
"""File, source, label and finding of what `manifest.csv` lists, and how many of each."""

METADATA_HEADER = (
    "patientid,offset,sex,age,finding,survival,intubated,intubation_present,went_icu,needed_supplemental_O2,extubated,"
    "temperature,pO2_saturation,leukocyte_count,neutrophil_count,lymphocyte_count,view,modality,date,location,folder,"
    "filename,doi,url,license,clinical_notes,other_notes,"
)
METADATA = (
    ("COVID-19", "PA", "X-ray", 24),
    ("Streptococcus", "PA", "X-ray", 4),
    ("E.Coli", "AP Supine", "X-ray", 4),
    ("No Finding", "PA", "X-ray", 4),
    ("COVID-19", "L", "X-ray", 2),
    ("COVID-19", "Axial", "CT", 2),
)
"""Finding, view and modality of the rows of the covid-chestxray-dataset, and how many of each."""

SIIM_READINGS = ("Negative for Pneumonia", "Typical Appearance")
"""Of NON-COVID and COVID."""


def make_data(data: Path) -> Path:
    """What `$DATA` stands for: phantoms in the shape of the collections behind the README's results, and nothing more.

    `manifest.csv` with the sources `cxnet` and `nih`, `ieee8023`, `siim`, and `xrays` with a folder for each class.
    """
    make_manifest(data)
    make_ieee8023(data / "ieee8023")
    make_siim(data / "siim")
    for folder, name in (("cxnet", "COVID-19"), ("nih/no_finding", "normal"), ("nih/pneumonia", "pneumonia")):
        shutil.copytree(data / folder, data / "xrays" / name)
    return data


def make_manifest(data: Path) -> None:
    kinds = [kind[:-1] for kind in MANIFEST for _ in range(kind[-1])]
    rows = []
    for seed, (pattern, source, label, finding) in enumerate(kinds):
        file = pattern.format(seed)
        save_phantom(data / file, seed, label)
        rows.append((file, source, LABELS[label], finding, f"{source}-{seed}", ""))
    write_table(data / "manifest.csv", MANIFEST_HEADER, rows)


def make_ieee8023(folder: Path) -> None:
    kinds = [kind[:-1] for kind in METADATA for _ in range(kind[-1])]
    rows = []
    for seed, (finding, view, modality) in enumerate(kinds, 1000):
        save_phantom(folder / "images" / f"{seed}.png", seed, COVID if finding == "COVID-19" else NON_COVID)
        known = {"patientid": seed, "finding": finding, "view": view, "modality": modality}
        known |= {"folder": "images", "filename": f"{seed}.png"}
        rows.append([known.get(name, "") for name in METADATA_HEADER.split(",")])
    write_table(folder / "metadata.csv", METADATA_HEADER, rows)


def make_siim(folder: Path) -> None:
    """Three tables, each of films of its own, and boxes for a third of the COVID films of the first."""
    for name, first, count in (("labels_wide.csv", 2000, 60), ("labels_test.csv", 3000, 24), ("labels.csv", 4000, 24)):
        rows = []
        for seed in range(first, first + count):
            save_phantom(folder / "train" / f"{seed}.jpg", seed, seed % 2)
            rows.append((f"train/{seed}.jpg", LABELS[seed % 2], f"patient-{seed}", "siim", SIIM_READINGS[seed % 2]))
        write_table(folder / name, "file,label,patient_id,source,finding", rows)
    boxes = [(f"train/{seed}.jpg", 0.2, 0.4, 0.5, 0.9) for seed in range(2001, 2060, 6)]
    write_table(folder / "boxes.csv", "file,left,top,right,bottom", boxes)


def write_table(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header.split(","), *rows])


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A clone of the project and the environment of a user in it."""
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


def python(script: str) -> str:
    return f"python - <<'END'\n{script}\nEND"


@pytest.mark.slow
def test_the_commands_behind_the_results_run_as_they_stand(clone):
    project, env = clone
    for command in commands_of([RESULTS / "README.md"]):
        shell(command, project, env)


@pytest.mark.slow
def test_every_other_command_runs_as_it_stands(clone):
    project, env = clone
    behind_results = commands_of([RESULTS / "README.md"])
    for command in commands_of(pages()):
        if command not in behind_results:
            shell(command, project, env)
    for script in blocks("python"):
        shell(python(script), project, env)
    port = str(free_port())
    (serve,) = blocks("bash serve")
    with in_background(serve.replace("7860", port), project, env):
        for script in blocks("python while serving"):
            shell(python(script.replace("7860", port)), project, env)
    elsewhere = project.parent / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(project / "patient.png", elsewhere)
    for script in blocks("python elsewhere"):
        assert "cxr" not in re.findall(r"(?:from|import) (\w+)", script)
        shell(python(script), elsewhere, env)


def test_every_block_has_a_kind_that_is_run():
    for page in pages():
        text = page.read_text(encoding="utf-8")
        kinds = [f"{language}{kind}".strip() for language, kind, _ in BLOCK.findall(text)]
        others = re.findall(r"^```(?:mermaid|text)$", text, re.MULTILINE)
        assert set(kinds) <= {*RUN_HERE, *RUN_BY_MAKE}, page
        assert text.count("```") == 2 * (len(kinds) + len(others)), page
    assert all(blocks(kind) for kind in (*RUN_HERE, *RUN_BY_MAKE))


def header(table: Path) -> list[str]:
    with table.open(newline="", encoding="utf-8") as stream:
        return next(csv.reader(stream))


def values(table: Path, *columns: str) -> set[tuple[str, ...]]:
    with table.open(newline="", encoding="utf-8") as stream:
        return {tuple(row[column] for column in columns) for row in csv.DictReader(stream)}


def test_the_commands_are_tried_on_data_of_the_real_shape(shared_data, tmp_path):
    data = make_data(tmp_path / "data")
    for table in ("manifest.csv", "ieee8023/metadata.csv"):
        assert header(data / table) == header(shared_data / table)
    columns = ("source", "label", "finding", "view")
    assert values(data / "manifest.csv", *columns) == values(shared_data / "manifest.csv", *columns)
    columns = ("finding", "view", "modality", "folder")
    assert values(data / "ieee8023/metadata.csv", *columns) <= values(shared_data / "ieee8023/metadata.csv", *columns)


def test_every_link_leads_somewhere():
    for page in pages():
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
            name, _, anchor = target.partition("#")
            file = page.parent / name if name else page
            assert file.exists(), f"{page.name} -> {target}"
            if anchor:
                titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
                anchors = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
                assert anchor in anchors, f"{page.name} -> {target}"


def inline_code() -> list[str]:
    return [code for page in pages() for code in re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))]


def source_code() -> str:
    folders = ("*.py", "cxr/**/*.py", "dataset_script/**/*.py", "experiments/*.py", "benchmarks/*.py")
    return "".join(path.read_text(encoding="utf-8") for folder in folders for path in ROOT.glob(folder))


SETTINGS = (DataArguments, ModelArguments, AugmentationArguments, RunArguments)


def test_every_flag_that_a_page_names_exists():
    source = source_code()
    settings = {name for part in SETTINGS for name in part.__dataclass_fields__}
    for flag in {flag for code in inline_code() for flag in re.findall(r"--(\w+)", code)} - {"help"}:
        assert flag in settings or f'"--{flag}"' in source, flag


def rows_of(page: str, title: str) -> list[list[str]]:
    """The cells of the first table below a title."""
    text = (ROOT / page).read_text(encoding="utf-8").split(f"## {title}\n")[1]
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table]


def test_the_reference_lists_what_there_is():
    recipes = re.findall(r"^\| `(recipes/\w+\.yaml)`", (ROOT / "docs/reference.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(recipes) == sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("recipes/*.yaml"))
    source = source_code()
    for names, _ in rows_of("docs/reference.md", "Environment variables"):
        for name in names.split(", "):
            assert f'"{name.strip("`")}"' in source or name.startswith("`HF_"), name
    layouts = [re.match(r"`(\w+)=", row[0])[1] for row in rows_of("docs/data.md", "Collections")]
    assert sorted(layouts) == sorted(LAYOUTS)


def test_the_limits_are_those_of_the_code():
    megabytes, gigabytes = limits.MAX_FILE_BYTES >> 20, limits.UPLOAD_REQUEST_BYTES >> 30
    minutes = (uploads.KEPT_SECONDS + uploads.CHECK_SECONDS) // 60
    rows = dict(rows_of("docs/reference.md", "Limits"))
    app, elsewhere = f"{megabytes} MB in the app", f"{MAX_FILE_BYTES >> 20} MiB elsewhere"
    decoded = f"{MAX_PIXELS // 10**6} megapixels, {MAX_DECODED_BYTES // 10**6} MB once decoded"
    assert rows["one file"] == f"{app}, {elsewhere}; {decoded}"
    assert rows["one request"].startswith(f"{gigabytes} GB of uploads, {limits.MAX_IMAGES} files in the page")
    assert rows["one answer"] == f"{limits.ANSWER_SECONDS} seconds"
    assert rows["waiting requests"].startswith(f"{limits.MAX_WAITING};")
    ends = f"within {minutes} minutes, when the app is stopped, and after `kill -9` at its next start"
    assert rows["uploads"].endswith(ends)


RUNS = ("outside", "both", "siim")
CARDS = (*RUNS, "siim_heatmaps")
PROBES_SHOWN = ("source", "file", "border", "lungs_blacked_out")


def facts(run: str, name: str) -> dict:
    return json.loads((RESULTS / run / name).read_text(encoding="utf-8"))


def joined(page: Path) -> str:
    """A page's text on one line, without the marks of quotations."""
    return " ".join(page.read_text(encoding="utf-8").replace("\n> ", " ").split())


def auroc(value: float, low: float, high: float) -> str:
    return f"{value:.3f} ({low:.3f}–{high:.3f})"


def scored(scores: dict) -> str:
    return f"{auroc(scores['auroc'], *scores['intervals']['auroc'])}, n = {scores['n']}"


def probed(run: str, name: str) -> str:
    probes = facts(run, "dataset_report.json")["audit"]["probes"]
    probe = next(probe for probe in probes if probe["name"] == name)
    return auroc(probe["auroc"], probe["low"], probe["high"])


def result_rows() -> list[str]:
    """The results table's rows as the runs' own files give them."""
    runs = [facts(run, "metrics.json") for run in RUNS]
    rows = [["own test split", *(scored(run["test"]) for run in runs)]]
    first, _, third = (run["external"].get("ieee8023") for run in runs)
    rows += [["external test set `ieee8023`", scored(first), "used for training", scored(third)]]
    for name in PROBES_SHOWN:
        rows += [[f"a small classifier shown {PROBES[name].short}", *(probed(run, name) for run in RUNS)]]
    return [f"| {' | '.join(row)} |" for row in rows]


def judgement(run: str) -> str:
    card = (RESULTS / run / "README.md").read_text(encoding="utf-8")
    return card.split("## Summary\n\n**")[1].split("**")[0]


def test_the_results_are_those_of_the_runs_they_name():
    assert "\n".join(result_rows()) in (ROOT / "README.md").read_text(encoding="utf-8")
    text = joined(ROOT / "README.md")
    for run in RUNS:
        assert judgement(run) in text
    said = text.split("Interventions against the gap")[1].split(" ## ")[0]
    for log in ("LOG.md", "LOG-siim.md", "leave_one_out.md"):
        assert said.split(f"(docs/results/{log}): ")[1].split(" [")[0].strip() in joined(RESULTS / log)


def test_the_page_of_results_says_what_its_files_say():
    text = joined(RESULTS / "README.md")
    assert f"with an AUROC of {probed('siim', 'border').split()[0]}." in text
    for run, said in (("siim", "the model's AUROC is {}; [assessment.json]"), ("siim_heatmaps", "the AUROC is {}. ")):
        scores = facts(run, "assessment.json")["datasets"]["siim_cleaned"]["results"][0]
        assert said.format(scored(scores)) in text
        for way, found in facts(run, "attributions.json").items():
            own, others = found["class_activation_map"], ("chance", "usual_place", "random_weights")
            low, high = own["intervals"]["pointing_game"]
            cells = [f"{percent(own['pointing_game'])} % ({percent(low)}–{percent(high)})"]
            cells += [f"{percent(found[other]['pointing_game'])} %" for other in others]
            assert f"| {way} | {' | '.join(cells)} |" in text
    measured = facts("siim_heatmaps", "metrics.json")["heatmaps"]
    assert heatmap_quality.in_words(heatmap_quality.measured_sets(measured)) in text


def percent(share: float) -> str:
    return f"{100 * share:.0f}"


@pytest.mark.parametrize("run", CARDS)
def test_the_committed_cards_are_what_their_files_give(run, tmp_path):
    folder = shutil.copytree(RESULTS / run, tmp_path / run)
    model_card.write_card(folder, *model_card.read_facts(folder))
    assert (folder / "README.md").read_text(encoding="utf-8") == (RESULTS / run / "README.md").read_text(
        encoding="utf-8"
    )
    assert {path.parent.name for path in RESULTS.rglob("*.[jp][pn]g")} == {"figures"}


def test_what_is_not_run_here_is_run_by_ci_or_by_make():
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert [text.strip() for text in blocks("bash demo", "bash suite")] == ["make demo", "make test"]
    assert "make demo SERVE=0" in ci
    assert "make test" in ci
    (install,) = blocks("bash install")
    done = subprocess.run(["make", "-n", "demo", "VENV=absent"], cwd=ROOT, capture_output=True, text=True, check=True)
    for line in ("-m venv", "pip install -c requirements.lock -e ."):
        assert line in install
        assert line in done.stdout


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200
