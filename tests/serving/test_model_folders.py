"""Model folders of careless and hostile publishers: refused in one line, or answered."""

import random
import shutil
from pathlib import Path

import pytest
from folder_edits import KINDS
from transformers import ResNetConfig, ResNetForImageClassification

import predict
from cxr.imaging.preprocess import make_processor
from cxr.schema.labels import ID2LABEL, LABEL2ID

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


@pytest.mark.parametrize(
    "sizes", [{"embedding_size": 2000}, {"hidden_sizes": [512, 8, 8, 8]}, {"depths": [100, 1, 1, 1]}]
)
def test_sizes_that_are_too_much_together_are_refused_before_they_take_memory(sizes, xray: Path, tmp_path, capsys):
    shape = {"embedding_size": 8, "hidden_sizes": [64, 8, 8, 8], "depths": [1, 1, 1, 1], "layer_type": "basic"} | sizes
    config = ResNetConfig(id2label=ID2LABEL, label2id=LABEL2ID, **shape)
    ResNetForImageClassification(config).save_pretrained(tmp_path)
    make_processor(2048).save_pretrained(tmp_path)
    assert predict.main(["--model", str(tmp_path), str(xray)]) == 2
    assert "takes too much for an image of 2048 x 2048 pixels" in capsys.readouterr().err
