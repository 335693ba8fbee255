"""Many images that do not look like those of validation are said to be others, in the terminal and on the page."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import save_tiny

import predict
from cxr.gate.features import FeatureExtractor
from cxr.gate.fitting import fit_gate
from cxr.imaging.preprocess import load_processor
from cxr.phantom import draw_phantom
from cxr.schema.model_repo import GATE, METRICS
from cxr.serving.loading import read_metrics, validation_distribution
from cxr.serving.predictor import Predictor
from cxr.serving.shift import MIN_IMAGES
from cxr.serving.web.handlers import Handlers
from cxr.serving.web.protection.uploads import Upload
from cxr.statistics.shift import quantiles

WARNING = "differ from those it was validated on"


def phantoms(start: int, count: int) -> list[np.ndarray]:
    return [draw_phantom(seed, seed % 2).image for seed in range(start, start + count)]


def save(folder: Path, images: list[np.ndarray]) -> Path:
    folder.mkdir(parents=True)
    for number, pixels in enumerate(images):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a gate, that says what 60 phantoms of validation were given."""
    folder = tmp_path_factory.mktemp("validated")
    network = save_tiny(folder).eval()
    validation = phantoms(1000, 60)
    extract = FeatureExtractor(network, load_processor(folder))
    fit_gate(extract, phantoms(0, 60), extract(validation), 0).save(folder / GATE)
    predictor = Predictor.load(str(folder))
    inputs = save(folder / "validation", validation)
    answers = [predictor.predict(predictor.read(inputs / f"{number}.png")) for number in range(60)]
    distribution = {
        name: {
            "n": 30,
            "refused": sum(not answer.gate_passed for answer in answers[label::2]),
            "gate_score": quantiles(np.array([answer.gate_score for answer in answers[label::2]])),
            "probability": quantiles(np.array([answer.probability for answer in answers[label::2]])),
        }
        for label, name in enumerate(("NON-COVID", "COVID"))
    }
    (folder / METRICS).write_text(json.dumps({"validation_distribution": distribution}))
    return folder


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("alike") / "images", phantoms(3000, 40))


@pytest.fixture(scope="module")
def inverted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("inverted") / "images", [255 - pixels for pixels in phantoms(3000, MIN_IMAGES)])


def test_images_of_the_same_kind_are_no_others(model, alike, capsys):
    assert predict.main(["--model", str(model), str(alike)]) == 0
    assert WARNING not in capsys.readouterr().err


def test_inverted_images_are_others_and_the_output_for_machines_stays_as_it_is(model, inverted, capsys):
    assert predict.main(["--model", str(model), "--json", str(inverted)]) == 0
    printed = capsys.readouterr()
    assert f"warning: These {MIN_IMAGES} images {WARNING}: the out-of-distribution gate refuses " in printed.err
    assert "their out-of-distribution scores are others (distance " in printed.err
    assert len([json.loads(line) for line in printed.out.splitlines()]) == MIN_IMAGES


def test_few_images_are_not_judged(model, inverted, capsys):
    assert predict.main(["--model", str(model), *map(str, sorted(inverted.glob("*.png"))[1:])]) == 0
    assert WARNING not in capsys.readouterr().err


@pytest.mark.parametrize(
    "section",
    [
        None,
        [],
        {"COVID": {}},
        {"COVID": {"n": 9, "refused": 10, "gate_score": [0.0, 1.0], "probability": [0.0, 1.0]}},
        {"COVID": {"n": 0, "refused": 0, "gate_score": [0.0, 1.0], "probability": [0.0, 1.0]}},
        {"COVID": {"n": 9, "refused": 0, "gate_score": [1.0, 0.0], "probability": [0.0, 1.0]}},
        {"COVID": {"n": 9, "refused": 0, "gate_score": [0.0, float("nan")], "probability": [0.0, 1.0]}},
        {"COVID": {"n": 9, "refused": 0, "gate_score": ["a", "b"], "probability": [0.0, 1.0]}},
    ],
)
def test_a_model_that_does_not_say_or_says_nonsense_is_not_compared_with(tmp_path, section):
    (tmp_path / METRICS).write_text(json.dumps({"validation_distribution": section}))
    assert validation_distribution(read_metrics(tmp_path)) is None


def test_draws_are_counted(model, alike, benchmark, capsys):
    benchmark("shift").main([str(model), str(alike), "--draws", "3", "--sizes", "30"])
    printed = capsys.readouterr().out
    assert "30 of 40 images: 0 of 3 draws differ" in printed
    assert "30 of 40 images: 3 of 3 draws differ" in printed.split("inverted")[1]


def test_the_table_of_the_page_says_so(model, alike, inverted, tmp_path):
    predictor = Predictor.load(str(model))
    handlers = Handlers(predictor, lambda answer, content: answer(predictor.read(content)))
    cards = []
    for folder in (alike, inverted):
        sent = Path(shutil.copytree(folder, tmp_path / folder.parent.name))  # each is deleted once it is answered
        uploads = [Upload(path, path.name) for path in sorted(sent.glob("*.png"))]
        *_, (card, _, _) = handlers.answer_uploads(uploads)
        cards.append(card)
    assert WARNING not in cards[0]
    assert WARNING in cards[1]
