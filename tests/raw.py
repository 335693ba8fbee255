"""Tiny raw collections, and preparing them by the command."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

from cxr.phantom import draw_phantom
from dataset_script import prepare as preparation
from dataset_script.__main__ import main
from dataset_script.duplicates.search import NearDuplicates


def noise(seed: int, height: int = 24, width: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def save(path: Path, seed: int, **size: int) -> Path:
    """BMP whatever the name: the same bytes with every version of Pillow."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(seed, **size)).save(path, "BMP")
    return path


def folders(root: Path, first: int = 0, **counts: int) -> Path:
    """Write `counts[name]` images into `root/name`; double underscores part folders: `Train__covid=30`."""
    seed = first
    for name, count in counts.items():
        for number in range(count):
            save(root.joinpath(*name.split("__"), f"{number:03d}.bmp"), seed)
            seed += 1
    return root


def table(path: Path, rows: Sequence[dict], separator: str = ",", encoding: str = "utf-8") -> Path:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [columns, *([str(row.get(column, "")) for column in columns] for row in rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(separator.join(line) for line in lines), encoding=encoding)
    return path


def marked_phantoms(root: Path, count: int, first_seed: int, marked: Iterable[int]) -> Path:
    """A table of phantoms, every other one COVID, with a box around the lower half of those that are `marked`."""
    root.mkdir()
    files = [f"{number}.png" for number in range(count)]
    for number, file in enumerate(files):
        Image.fromarray(draw_phantom(first_seed + number, number % 2).image).save(root / file)
    labels = [{"file": file, "label": ("normal", "COVID")[number % 2]} for number, file in enumerate(files)]
    table(root / "labels.csv", labels)
    corners = {"left": 0, "top": 0.5, "right": 1, "bottom": 1}
    table(root / "boxes.csv", [{"file": files[number]} | corners for number in marked])
    return root


def patients(root: Path, count: int, images: int = 2) -> list[dict]:
    """Rows, and their files, of `count` patients with `images` images each, every other one COVID."""
    rows = []
    for patient in range(count):
        for image in range(images):
            file = f"{patient}-{image}.bmp"
            save(root / file, patient * 100 + image)
            label = "COVID" if patient % 2 else "NON-COVID"
            rows.append({"file": file, "label": label, "patient_id": f"p{patient}"})
    return rows


def prepare(
    out: Path,
    *sources: object,
    image_size: int = 16,
    num_proc: int = 1,
    seed: int = 0,
    audit: bool = False,
    search: bool = True,
    more: Sequence[str] = (),
) -> dict:
    """Prepare by the command, with `more` flags, and return the report.

    Without `search` no near-duplicates are looked for: among images that look alike that takes most of the time.
    """
    flags = [flag for source in sources for flag in ("--source", str(source))]
    flags += [*([] if audit else ["--no_audit"]), *more]
    settings = ["--image_size", str(image_size), "--num_proc", str(num_proc), "--seed", str(seed)]
    with pytest.MonkeyPatch.context() as patch:
        if not search:
            patch.setattr(preparation, "find_near_duplicates", lambda *_: NearDuplicates([], []))
        assert main([*flags, "--out", str(out), *settings]) == 0
    return json.loads((out / "report.json").read_text())


def refused(capsys, out: Path, *sources: object, flags: Sequence[str] = ()) -> str:
    """The one line that ends a preparation which cannot be."""
    arguments = [flag for source in sources for flag in ("--source", str(source))]
    before = sorted(out.parent.rglob("*"))
    capsys.readouterr()
    assert main([*arguments, "--out", str(out), "--image_size", "16", "--num_proc", "1", "--no_audit", *flags]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert sorted(out.parent.rglob("*")) == before
    return errors[0]


def rows(out: Path) -> list[dict]:
    """Every row without its image, and with its `split`."""
    loaded = datasets.load_dataset("parquet", data_files=_files(out), cache_dir=str(out.parent / "cache"))
    return [row | {"split": split} for split in loaded for row in loaded[split].remove_columns("image")]


def _files(out: Path) -> dict[str, str]:
    return {split: str(out / "data" / f"{split}-*.parquet") for split in ("train", "validation", "test")}


def split_of(out: Path) -> dict[str, str]:
    """The split of each file."""
    return {row["file"]: row["split"] for row in rows(out)}
