"""Model folders of careless and hostile publishers: refused in one line, or answered."""

import random
import shutil
from pathlib import Path

import pytest
from folder_edits import KINDS

import predict

EACH = 20


@pytest.mark.parametrize("kind", KINDS)
def test_every_edited_folder_is_answered_or_refused_in_one_line(kind, gated: Path, xray: Path, tmp_path, capsys):
    codes = []
    for number in range(EACH):
        folder = shutil.copytree(gated, tmp_path / str(number))
        KINDS[kind](random.Random(f"{kind} {number}"))(folder)
        precision = [] if number % 10 == 0 else ["--exact"]
        codes.append(predict.main(["--model", str(folder), *precision, str(xray)]))
        printed = capsys.readouterr()
        assert codes[-1] in (0, 2), number
        if codes[-1] == 2:
            assert printed.err.startswith("error: "), number
            assert printed.err.count("\n") == 1, number
            assert len(printed.err) < 600, printed.err
        shutil.rmtree(folder)
    assert 2 in codes
