"""The audit on phantoms, which are known to be clean, and on phantoms with a letter in a corner."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from raw import prepare, table

from cxr.phantom import draw_phantom
from dataset_script.audit.audit import audit_dataset

SPLITS = ("train", "train", "test", "train", "train", "validation", "train", "test", "train", "train")


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    """Every other one with COVID-19, each named by its seed, and the lungs of each beside it; drawn once."""
    folder = tmp_path_factory.mktemp("phantoms")
    for seed in range(600):
        phantom = draw_phantom(seed, seed % 2)
        Image.fromarray(phantom.image).save(folder / f"{seed}.bmp")
        Image.fromarray(phantom.lungs).save(folder / f"{seed}-lungs.bmp")
    return folder


def letter(image):
    """A burnt-in L, about a twelfth of the image high, 12 pixels from the upper left corner."""
    image = image.copy()
    ImageDraw.Draw(image).text((12, 12), "L", fill=255, font=ImageFont.load_default(28))
    return image


def dataset(folder, phantoms, marked, count):
    """The first phantoms as any collection; on 95 % of the class `marked` a letter."""
    rows = []
    (folder / "raw").mkdir()
    for number in range(count):
        covid = number % 2
        image, rng = Image.open(phantoms / f"{number}.bmp"), np.random.default_rng(number)
        if covid == marked and rng.random() < 0.95:
            image = letter(image)
        name = f"{number}.bmp"
        image.save(folder / "raw" / name)
        rows.append({"file": name, "label": covid, "patient_id": number, "split": SPLITS[number // 2 % len(SPLITS)]})
    listed = table(folder / "raw" / "made.csv", rows)
    prepare(folder / "out", f"table={listed}", num_proc=2, image_size=146, search=False)
    return folder / "out"


@pytest.mark.slow
@pytest.mark.parametrize("marked", [0, 1])
def test_a_letter_in_a_corner_is_named(tmp_path, phantoms, marked):
    section = audit_dataset(dataset(tmp_path, phantoms, marked, count=300))
    probes = {probe["name"]: probe for probe in section["probes"]}
    assert probes["border"]["auroc"] >= 0.9
    assert probes["border"]["shouts"]
    assert "the border alone" in section["verdict"]


@pytest.mark.slow
def test_no_probe_of_clean_phantoms_is_flagged_with_the_box_and_with_their_own_lungs(tmp_path, phantoms):
    out = dataset(tmp_path, phantoms, marked=None, count=600)
    section = audit_dataset(out)
    assert not any(probe["shouts"] for probe in section["probes"])
    assert "No probe is flagged" in section["verdict"]

    def lungs(row):
        return np.asarray(Image.open(phantoms / row["file"].replace(".bmp", "-lungs.bmp")))

    masked = audit_dataset(out, masks=lungs)
    assert masked["lungs"] == "masks"
    assert not any(probe["shouts"] for probe in masked["probes"])
