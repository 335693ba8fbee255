"""A whole run by its command: what it leaves behind, and the error when it cannot work."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from huggingface_hub import HfApi
from sklearn.metrics import roc_auc_score
from support import flat

import dataset_script.publish as publication
from cxr.errors import UserError
from cxr.schema.labels import COVID, ID2LABEL
from cxr.training.data.dataset import load, load_external
from cxr.training.evaluation.evaluation import Evaluator, evaluate
from cxr.training.run import main


def facts(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def test_the_model_folder_follows_contract_2(finished):
    files = {str(path.relative_to(finished)) for path in finished.rglob("*") if path.is_file()}
    assert files == {
        *("README.md", "config.json", "model.safetensors", "preprocessor_config.json", "metrics.json", "recipe.yaml"),
        *("gate.safetensors", "fingerprints.safetensors", "dataset_report.json", "figures/training_curves.png"),
        "figures/roc.png",
        *("figures/precision_recall.png", "figures/confusion_matrix.png", "figures/reliability.png"),
        "figures/score_histograms.png",
    }


def test_the_config_carries_labels_threshold_and_provenance(finished, dataset):
    config = json.loads((finished / "config.json").read_text(encoding="utf-8"))
    report = json.loads((dataset / "report.json").read_text(encoding="utf-8"))
    assert config["id2label"] == {str(index): name for index, name in ID2LABEL.items()}
    assert config["operating_threshold"] == facts(finished)["operating_threshold"]
    assert config["dataset_fingerprint"] == report["fingerprint"]
    assert config["random_weights"] is True
    assert config["synthetic_data"] is True


def test_reported_metrics_are_those_of_the_saved_weights_in_a_process_without_our_code(
    finished, dataset, env, tmp_path
):
    script = f"""
import json, sys
from datasets import load_dataset
from transformers import pipeline
classify = pipeline("image-classification", model={str(finished)!r})
test = load_dataset({str(dataset)!r}, split="test")
scores = [{{a["label"]: a["score"] for a in classify(row["image"].convert("RGB"))}}["COVID"] for row in test]
assert not [name for name in sys.modules if name.split(".")[0] in ("cxr", "dataset_script")]
json.dump({{"scores": scores, "labels": test["label"][:]}}, open("scores.json", "w"))
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=env, check=True)
    plain = json.loads((tmp_path / "scores.json").read_text())
    assert facts(finished)["test"]["auroc"] == pytest.approx(roc_auc_score(plain["labels"], plain["scores"]), abs=1e-6)
    called = [score >= facts(finished)["operating_threshold"] for score in plain["scores"]]
    hits = [c for c, label in zip(called, plain["labels"], strict=True) if label == COVID]
    assert facts(finished)["test"]["sensitivity"] == pytest.approx(sum(hits) / len(hits))


def test_the_operating_point_reaches_its_target_on_validation(finished):
    assert facts(finished)["validation"]["sensitivity"] >= facts(finished)["target_sensitivity"] == 0.9


def test_nothing_published_names_a_file_or_a_patient_or_a_path(finished, dataset):
    report = json.loads((finished / "dataset_report.json").read_text(encoding="utf-8"))
    assert "lists" not in report
    for name in ("README.md", "metrics.json", "recipe.yaml", "config.json", "dataset_report.json"):
        assert str(dataset.parent) not in (finished / name).read_text(encoding="utf-8")


def test_the_dataset_can_come_from_the_hub_at_a_revision(dataset):
    assert publication.main([str(dataset), "demo/phantoms"]) == 0
    sha = HfApi().dataset_info("demo/phantoms").sha
    found, local = load("demo/phantoms", None, 32), load(str(dataset), None, 32)
    assert found.revision == sha
    assert found.splits["test"]["sha256"][:] == local.splits["test"]["sha256"][:]


@pytest.mark.slow
def test_an_external_set_is_scored_once_and_shown_beside_the_headline(train_here, command, with_external):
    flags = ["--dataset", with_external, "--external", f"clinic={with_external / 'external' / 'clinic'}"]
    model = train_here(*command, *flags)
    scores = facts(model)["external"]["clinic"]
    assert (scores["n"], scores["n_covid"]) == (24, 12)
    text = (model / "README.md").read_text(encoding="utf-8")
    assert "|  | validation | own test split | external: clinic |" in text
    assert f"| external: clinic | 24 | 12 | 24 | {scores['auroc']:.3f} (" in text
    assert f"{scores['auroc']:.2f} on clinic" in text
    front = yaml.safe_load(text.split("---")[1])
    assert [result["dataset"]["name"] for result in front["model-index"][0]["results"]] == ["out", "clinic (external)"]
    assert yaml.safe_load((model / "recipe.yaml").read_text())["external"] == ["clinic=clinic"]


def test_an_external_set_that_shares_images_with_training_is_refused(dataset):
    training = load(str(dataset), None, 32)
    with pytest.raises(UserError, match=r"--external same: 10 of its images share a patient, 10 a file"):
        load_external([f"same={dataset}"], training, 32)


@pytest.fixture
def fails(capsys) -> Callable[[list[str]], str]:
    """Run a command that cannot work; its one line on stderr."""

    def run(command: list[str]) -> str:
        capsys.readouterr()
        assert main(list(map(str, command[1:]))) == 2
        errors = capsys.readouterr().err.splitlines()
        assert len(errors) == 1
        assert errors[0].startswith("error: ")
        return errors[0]

    return run


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (["--dataset", "no/such/folder"], ["no/such/folder", "dataset_script"]),
        (["--dataset", "recipes"], ["report.json", "dataset_script"]),
        (["--dataset", "demo/no-such-dataset"], ["demo/no-such-dataset"]),
        (["--input_size", "64"], ["--image_size 73"]),
        (["--backbone", "demo/no-such-model"], ["demo/no-such-model", "--from_scratch"]),
        (["--backbone_revision", "v9"], ["v9", "--from_scratch"]),
        (["--resume_from_checkpoint", "true"], ["no checkpoint"]),
        (["--resume_from_checkpoint", "elsewhere"], ["elsewhere"]),
        (["--push_to_hub", "--hub_model_id", "stranger/model"], ["stranger/model"]),
        (["--external", "clinic"], ["--external clinic", "NAME=DATASET"]),
        (["--external", "clinic=no/such/folder"], ["--external clinic", "no/such/folder"]),
    ],
)
def test_what_cannot_work_is_one_line_before_the_first_step(fails, command, flags, parts, tmp_path):
    error = fails([*command, *flags])
    for part in parts:
        assert part in error
    assert not list((tmp_path / "run").rglob("*"))


def test_an_unreachable_hub_is_one_line_and_exit_code_2(run_cli, command, env):
    """A process of its own, for the Hub's address is read once: what the shell sees of all that cannot work."""
    done = run_cli(command, env=env | {"HF_ENDPOINT": "http://127.0.0.1:9"}, timeout=120)
    assert done.returncode == 2, done.stderr[-2000:]
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in done.stderr
    assert "cannot reach http://127.0.0.1:9" in error
    assert "--from_scratch" in error


def test_publishing_without_a_token_is_one_line_before_the_first_step(fails, command, tmp_path, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    assert "HF_TOKEN" in fails([*command, "--push_to_hub", "--hub_model_id", "demo/m"])
    assert not list((tmp_path / "run").iterdir())


def test_predictions_of_the_final_evaluation_do_not_depend_on_the_batch(finished, dataset):
    prepared = load(str(dataset), None, 32)
    few, many = (evaluate(Evaluator(finished, size, cpu=True), prepared, {}, 0.9) for size in (3, 32))
    assert few.test.margin == pytest.approx(many.test.margin, abs=1e-5)
    assert flat(few.summary["test"]) == pytest.approx(flat(many.summary["test"]), abs=1e-6)
