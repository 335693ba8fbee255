"""`--precision auto`: measured at the start, said, kept for a run that is resumed, and recorded."""

import json
from pathlib import Path

import pytest

from cxr.network.fastest import Fastest
from cxr.training import precision
from cxr.training.run import main


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands for a machine on which bf16 is faster; lists the sizes that were measured."""
    asked: list[str] = []

    def fastest(ways, **key):
        assert list(ways) == ["fp32", "bf16"]
        for prepare in ways.values():
            prepare()()
        asked.append(key["network"])
        return Fastest("bf16", {"fp32": 2.0, "bf16": 1.0})

    monkeypatch.setattr(precision, "precisions", lambda _: ("fp32", "bf16"))
    monkeypatch.setattr(precision, "fastest", fastest)
    return asked


def command(dataset: Path, backbone: str, out: Path) -> list[str]:
    where = ["--dataset", dataset, "--backbone", backbone, "--output_dir", out]
    return [*map(str, where), "--input_size", "32", "--method", "full", "--use_cpu"]


def test_the_fastest_is_taken_and_recorded(measured, dataset, backbone, tmp_path, capsys):
    assert main([*command(dataset, backbone, tmp_path), "--max_steps", "1"]) == 0
    assert "precision bf16: 2.0 times fp32 here" in capsys.readouterr().out
    assert json.loads((tmp_path / "model/metrics.json").read_text())["training"]["precision"] == "bf16"
    assert "precision: bf16" in (tmp_path / "model/recipe.yaml").read_text()
    assert len(measured) == 1
    assert measured[0].endswith(" 32")
    (tmp_path / precision.FILE).write_text("fp32\n")
    again = ["--max_steps", "2", "--resume_from_checkpoint", "true"]
    assert main([*command(dataset, backbone, tmp_path), *again]) == 0
    assert json.loads((tmp_path / "model/metrics.json").read_text())["training"]["precision"] == "fp32"
    assert len(measured) == 1


def test_what_is_asked_for_is_not_measured(measured, dataset, backbone, tmp_path):
    assert main([*command(dataset, backbone, tmp_path), "--max_steps", "1", "--precision", "fp32"]) == 0
    assert not measured
