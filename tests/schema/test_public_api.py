"""`from cxr import …`: what a user of the library gets, how cheaply, and an example."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import ROOT
from tiny import save_tiny

import cxr
from cxr import LABELS, Predictor, UnreadableImage, UserError, read_radiograph
from cxr.phantom import draw_phantom
from cxr.schema.labels import COVID
from cxr.schema.verdicts import DISCLAIMER, VERDICTS

HEAVY = ("torch", "transformers", "datasets", "pydantic", "numpy", "PIL", "cv2", "huggingface_hub")


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_importing_the_library_imports_nothing_heavy():
    code = f"import sys, cxr; print([name for name in {HEAVY} if name in sys.modules])"
    assert python(code) == "[]\n"
    code = f"import sys; from cxr import LABELS, UserError; print([name for name in {HEAVY} if name in sys.modules])"
    assert python(code) == "[]\n"


def test_every_public_name_is_there_for_people_and_for_type_checkers():
    assert set(cxr.__all__) <= set(dir(cxr))
    assert all(getattr(cxr, name) is not None for name in cxr.__all__)
    tree = ast.parse((ROOT / "cxr" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    declared = {alias.name: node.module for node in block.body for alias in node.names}
    assert declared == cxr._MODULES
    assert set(declared) == set(cxr.__all__)
    assert (ROOT / "cxr" / "py.typed").is_file()


def test_other_names_are_no_attributes():
    with pytest.raises(AttributeError, match="has no attribute 'Classifier'"):
        cxr.Classifier  # noqa: B018


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    save_tiny(folder)
    return str(folder)


@pytest.fixture
def xray(tmp_path: Path) -> Path:
    path = tmp_path / "xray.png"
    Image.fromarray(draw_phantom(7, COVID).image).save(path)
    return path


def test_the_example_of_the_library(model: str, xray: Path):
    predictor = Predictor.load(model)
    explanation = predictor.explain(predictor.read(xray))
    answer = explanation.answer
    assert answer.verdict in VERDICTS
    assert answer.label in LABELS
    assert 0 <= answer.probability <= 1
    assert answer.disclaimer == DISCLAIMER
    assert isinstance(answer, cxr.Answer)
    assert isinstance(explanation, cxr.Explanation)


def test_a_radiograph_can_be_read_without_a_model(xray: Path):
    radiograph = read_radiograph(xray)
    assert isinstance(radiograph, cxr.Radiograph)
    assert radiograph.pixels.dtype == np.uint8
    assert radiograph.pixels.shape == (radiograph.height, radiograph.width)


def test_errors_name_the_file(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("no image")
    for name in ("missing.png", "notes.txt"):
        with pytest.raises(UserError, match=name) as error:
            read_radiograph(tmp_path / name)
        assert isinstance(error.value, UnreadableImage)
