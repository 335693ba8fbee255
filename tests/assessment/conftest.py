"""A second phantom dataset that shares nothing with the first."""

from pathlib import Path

import pytest
from PIL import Image
from raw import prepare, table

from cxr.assessment.command import main
from cxr.phantom import draw_phantom
from cxr.schema.labels import LABELS


def save_collection(folder: Path, seeds: range, images: int = 1, first: int = 0) -> Path:
    """A table of phantoms, every other patient COVID, with `images` images of each."""
    rows = []
    for seed in seeds:
        for image in range(images):
            file = f"{seed}-{image}.png"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw_phantom(seed * 10 + image, seed % 2).image).save(folder / file)
            rows.append({"file": file, "label": LABELS[seed % 2], "patient_id": f"p{first + seed}", "source": "clinic"})
    return table(folder / "images.csv", rows)


@pytest.fixture(scope="session")
def with_other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 patients of another hospital, two images each."""
    folder = tmp_path_factory.mktemp("other")
    listed = save_collection(folder / "raw", range(9000, 9060), images=2)
    prepare(folder / "clinic", f"table={listed}", image_size=36, search=False)
    return folder / "clinic"


@pytest.fixture(scope="session")
def assessed(finished: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of one finished tiny run on its own dataset."""
    out = tmp_path_factory.mktemp("assessed") / "report"
    assert main(["--model", str(finished), "--dataset", str(dataset), "--out", str(out), "--use_cpu"]) == 0
    return out
