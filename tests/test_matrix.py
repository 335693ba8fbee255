"""`python -m experiments.matrix`: every training set on every test split, and no cell that shares images with it."""

import json

import pytest

from experiments.matrix import main

TINY = ["--input_size", "32", "--max_steps", "1", "--precision", "fp32", "--use_cpu", "--method", "full"]


def test_each_model_is_scored_on_each_test_split_but_those_it_was_trained_on(
    dataset, with_external, backbone, tmp_path, capsys
):
    out, log = tmp_path / "runs", tmp_path / "docs" / "matrix.md"
    log.parent.mkdir()
    clinic = with_external / "external" / "clinic"
    command = ["--train", f"one={dataset}", f"two={with_external}", "--test", f"clinic={clinic}"]
    command += ["--out", str(out), "--log", str(log), "--", *TINY, "--backbone", backbone]
    assert main(list(map(str, command))) == 0
    rows = json.loads((out / "matrix.json").read_text())
    trained = json.loads((out / "one/model/metrics.json").read_text())
    assert rows["one"]["one"]["auroc"] == pytest.approx(trained["test"]["auroc"])
    assert rows["one"]["one"]["interval"] == pytest.approx(trained["test"]["intervals"]["auroc"])
    assert rows["one"]["clinic"]["images"] == 24
    text = log.read_text()
    assert "| trained on one | *" in text
    assert "a small classifier shown" in text
    assert str(tmp_path) not in text
    assert (log.parent / "figures" / "matrix.png").stat().st_size > 10_000
    capsys.readouterr()
    assert main(list(map(str, command))) == 0
    assert "epoch" not in capsys.readouterr().out  # nothing is trained twice


def test_a_name_without_a_dataset_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["--train", "x", "--out", str(tmp_path)])
    assert end.value.code == 2
    assert "NAME=DATASET" in capsys.readouterr().err
