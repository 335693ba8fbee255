"""Backbones of careless and hostile publishers are refused in one line before the first step."""

import random
import shutil
from pathlib import Path

import pytest
from datasets import disable_progress_bars, enable_progress_bars
from folder_edits import KINDS
from huggingface_hub import snapshot_download

from cxr.training import run

EACH = 20


@pytest.fixture(autouse=True)
def no_bars():
    """A dataset that is opened for the first time shows its progress where the errors go."""
    disable_progress_bars()
    yield
    enable_progress_bars()


@pytest.mark.parametrize("kind", ["quantization", "architecture", "weights"])
def test_every_edited_backbone_is_refused_in_one_line(kind, command, backbone, tmp_path: Path, capsys):
    whole = Path(snapshot_download(backbone))
    for number in range(EACH):
        folder = shutil.copytree(whole, tmp_path / str(number))
        KINDS[kind](random.Random(f"{kind} {number}"))(folder)
        assert run.main([*command[1:], "--backbone", str(folder)]) == 2, number
        printed = capsys.readouterr().err
        (line,) = printed.splitlines()
        assert line.startswith(f"error: --backbone {folder} cannot be loaded: "), line
        assert len(line) < 600, line
    assert not list((tmp_path / "run").glob("checkpoint-*"))
