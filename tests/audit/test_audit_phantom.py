"""The audit on phantoms, which are known to be clean, and on phantoms with a letter in a corner."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from raw import prepare, table

from cxr.phantom import draw_phantom
from dataset_script.audit.audit import audit_dataset

SPLITS = ("train", "train", "test", "train", "train", "validation", "train", "test", "train", "train")


def letter(image):
    """A burnt-in L, about a twelfth of the image high, 12 pixels from the upper left corner."""
    canvas = Image.fromarray(image)
    ImageDraw.Draw(canvas).text((12, 12), "L", fill=255, font=ImageFont.load_default(28))
    return np.asarray(canvas)


def dataset(folder, marked, count):
    """Phantoms on disk as any collection; on 95 % of the class `marked` a letter. A file is named by its seed."""
    rows = []
    for number in range(count):
        covid = number % 2
        image, rng = draw_phantom(number, covid).image, np.random.default_rng(number)
        if covid == marked and rng.random() < 0.95:
            image = letter(image)
        path = folder / "raw" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, compress_level=1)
        rows.append(
            {"file": path.name, "label": covid, "patient_id": number, "split": SPLITS[number // 2 % len(SPLITS)]}
        )
    prepare(folder / "out", f"table={table(folder / 'raw' / 'made.csv', rows)}", num_proc=2, image_size=146)
    return folder / "out"


@pytest.mark.slow
@pytest.mark.parametrize("marked", [0, 1])
def test_a_letter_in_a_corner_is_named(tmp_path, marked):
    section = audit_dataset(dataset(tmp_path, marked, count=300))
    probes = {probe["name"]: probe for probe in section["probes"]}
    assert probes["border"]["auroc"] >= 0.9
    assert probes["border"]["shouts"]
    assert "the border alone" in section["verdict"]


@pytest.mark.slow
def test_no_probe_of_clean_phantoms_is_flagged_with_the_box_and_with_their_own_lungs(tmp_path):
    out = dataset(tmp_path, marked=None, count=600)
    section = audit_dataset(out)
    assert not any(probe["shouts"] for probe in section["probes"])
    assert "No probe is flagged" in section["verdict"]

    def lungs(row):
        return draw_phantom(int(row["file"].removesuffix(".png")), row["label"]).lungs

    masked = audit_dataset(out, masks=lungs)
    assert masked["lungs"] == "masks"
    assert not any(probe["shouts"] for probe in masked["probes"])
