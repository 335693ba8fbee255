"""`assess.py` on a model of this project: the numbers of its training, and the files of the report."""

import errno
import json
import shutil
from pathlib import Path

import pytest
from support import flat

from cxr.assessment.command import main
from cxr.schema.assessment import Assessment
from cxr.schema.document import check
from cxr.schema.set_summary import SetSummary


def document(out: Path) -> dict:
    found = json.loads((out / "assessment.json").read_text(encoding="utf-8"))
    check(Assessment, found)
    return found


def test_the_numbers_are_those_of_its_metrics_file(assessed: Path, finished: Path):
    trained = json.loads((finished / "metrics.json").read_text(encoding="utf-8"))
    (found,) = document(assessed)["datasets"].values()
    (result,) = found["results"]
    for key in (*SetSummary.__annotations__, "conformal", "verdicts"):
        expected = trained["test"][key]
        assert flat(result[key], key) == pytest.approx(flat(expected, key), abs=1e-6), key
    assert result["gate"] == pytest.approx(trained["gate"]["passed"]["test"])
    assert result["judgement"] == trained["judgement"]
    assert result["training_overlap"]["known"]


def test_the_report_has_every_file_and_the_pages_hold_no_radiograph(assessed: Path):
    files = {path.relative_to(assessed).as_posix() for path in assessed.rglob("*") if path.is_file()}
    plots = {f"figures/model/{name}.png" for name in ("roc", "precision_recall", "reliability", "confusion_matrix")}
    assert files >= {"assessment.json", "assessment.md", "assessment.html", *plots}
    assert any(name.startswith("worst_mistakes/") for name in files)
    page = (assessed / "assessment.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 5
    assert "worst_mistakes" not in page + (assessed / "assessment.md").read_text(encoding="utf-8")


def test_the_validation_split_gives_the_validation_numbers_and_says_what_was_chosen_there(finished, dataset, tmp_path):
    command = ["--model", finished, "--dataset", f"own={dataset}", "--out", tmp_path, "--split", "validation"]
    assert main([*map(str, command), "--use_cpu"]) == 0
    trained = json.loads((finished / "metrics.json").read_text(encoding="utf-8"))["validation"]
    result = document(tmp_path)["datasets"]["own"]["results"][0]
    assert result["brier"] == pytest.approx(trained["brier"], abs=1e-6)
    assert "chosen" in result["training_overlap"]["statement"]


def test_it_is_scored_by_openvino_as_well(finished, dataset, tmp_path, assessed):
    command = ["--model", finished, "--dataset", dataset, "--out", tmp_path, "--runtime", "openvino"]
    assert main(list(map(str, command))) == 0
    (found,) = document(tmp_path)["datasets"].values()
    (exact,) = document(assessed)["datasets"].values()
    assert found["results"][0]["brier"] == pytest.approx(exact["results"][0]["brier"], abs=0.02)
    assert "OpenVINO" in document(tmp_path)["models"][0]["runtime"]


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (["--split", "train"], ["trained on this very split"]),
        (["--dataset", "no/such/folder"], ["no/such/folder", "dataset_script"]),
        (["--dataset", "again=", "x"], ["--dataset again=", "NAME=DATASET"]),
        (["--batch_size", "0"], ["--batch_size 0"]),
        (["--positive", "Covid"], ["--positive Covid", "NON-COVID, COVID"]),
        (["--revision", "v1"], ["v1", "folder"]),
    ],
)
def test_what_cannot_work_is_one_line(flags, parts, finished, dataset, tmp_path, capsys):
    command = ["--model", finished, "--dataset", dataset, "--out", tmp_path / "out", "--use_cpu", *flags]
    capsys.readouterr()
    assert main(list(map(str, command))) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert all(part in error for part in parts), error


def test_a_report_never_replaces_a_model(finished, dataset, capsys):
    assert main(["--model", str(finished), "--dataset", str(dataset), "--out", str(finished)]) == 2
    assert "config.json" in capsys.readouterr().err
    assert list((finished / "figures").glob("*.png"))


def test_a_folder_that_cannot_be_written_to_is_one_line(finished, dataset, tmp_path, monkeypatch, capsys):
    command = ["--model", str(finished), "--dataset", str(dataset), "--use_cpu"]
    (tmp_path / "file").touch()
    assert main([*command, "--out", str(tmp_path / "file" / "report")]) == 2
    assert "--out" in capsys.readouterr().err

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("cxr.assessment.report.write_report", full)
    assert main([*command, "--out", str(tmp_path / "report")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert "No space left" in error


def test_a_model_without_fingerprints_is_said_to_be_unknown(finished, with_other, tmp_path):
    model = shutil.copytree(finished, tmp_path / "model", ignore=shutil.ignore_patterns("fingerprints.safetensors"))
    assert main(["--model", str(model), "--dataset", str(with_other), "--out", str(tmp_path / "out"), "--use_cpu"]) == 0
    (found,) = document(tmp_path / "out")["datasets"].values()
    overlap = found["results"][0]["training_overlap"]
    assert not overlap["known"]
    assert "cannot be known" in overlap["statement"]
