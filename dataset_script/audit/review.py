"""The review folder: pages of images for a person to look at, and charts of the report.

The pages show the radiographs themselves, so they stay on the user's disk and are never published.
"""

import hashlib
import heapq
import io
import textwrap
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from cxr.contact_sheet import COLUMNS, ROWS, make_sheet, make_tile, safe_file_name
from cxr.schema.dataset import SPLITS
from cxr.schema.labels import LABELS
from cxr.schema.probes import FLAG_AUROC
from cxr.schema.report import Audit, Counts, ProbeResult
from dataset_script.duplicates.search import Pair
from dataset_script.storage.parquet import find_shards, read_facts, read_images

IMAGES_PER_SHEET = COLUMNS * ROWS
PAIRS_PER_ROW = COLUMNS // 2
PAIRS_PER_PAGE = PAIRS_PER_ROW * ROWS
MAX_PAGES = 40
"""Pages of pairs; of more pairs the most similar are left out."""

_FLAGGED, _NOT_FLAGGED = "#b3372b", "#5b7f95"

Member = tuple[str, int]
"""A row by its split and position."""


def draw_sheets(dataset: Path, folder: Path) -> list[Path]:
    """Write a page of 30 images for each source and class of a dataset; returns their paths.

    Images are chosen by the hash of their names, so that the same dataset gives the same pages.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = find_shards(dataset)
    facts = {split: read_facts(paths) for split, paths in files.items()}
    groups = defaultdict(list)
    for split, rows in facts.items():
        for position, group in enumerate(zip(rows["source"].to_pylist(), rows["label"].to_pylist(), strict=True)):
            groups[group].append((split, position))
    names = {split: rows["file"].to_pylist() for split, rows in facts.items()}
    chosen = {group: _choose(members, names) for group, members in sorted(groups.items())}
    tiles = _make_tiles(files, facts, {member for members in chosen.values() for member in members})
    paths = []
    for (source, label), members in chosen.items():
        title = f"{source} · {LABELS[label]}: {len(members)} of {len(groups[source, label]):,} images"
        paths.append(folder / f"{safe_file_name(source)}-{LABELS[label]}.png")
        make_sheet(title, [tiles[member] for member in members]).save(paths[-1])
    return paths


def _choose(members: Sequence[Member], names: Mapping[str, list[str]]) -> list[Member]:
    """The members whose names have the smallest hashes, in the order of their names."""

    def name(member: Member) -> str:
        split, position = member
        return names[split][position]

    by_hash = heapq.nsmallest(
        IMAGES_PER_SHEET, members, key=lambda member: hashlib.sha256(name(member).encode()).digest()
    )
    return sorted(by_hash, key=name)


def _make_tiles(
    files: Mapping[str, list[Path]], facts: Mapping[str, pa.Table], wanted: set[Member]
) -> dict[Member, Image.Image]:
    tiles = {}
    for split, paths in files.items():
        positions = {position for where, position in wanted if where == split}
        for position, png in read_images(paths, positions):
            captions = _captions(facts[split].slice(position, 1).to_pylist()[0], split)
            with Image.open(io.BytesIO(png)) as image:
                tiles[split, position] = make_tile([image], captions)
    return tiles


def _captions(row: Mapping[str, Any], split: str) -> list[str]:
    known = (split, row["view"], f"{row['width']}×{row['height']}", row["format"])
    return [row["file"], " · ".join(part for part in known if part)]


def draw_pairs(
    pairs: Sequence[Pair],
    load: Callable[[int], np.ndarray],
    names: Sequence[str],
    folder: Path,
    *,
    max_pages: int = MAX_PAGES,
) -> list[Path]:
    """Write `duplicates.png`, `duplicates-2.png`, … with pairs of near-duplicates side by side; returns their paths.

    The least similar pairs come first, so that doubtful ones are on the first page; with more than `max_pages` the most
    similar ones are left out, and the titles say of how many pairs.

    Args:
        pairs: positions of near-duplicates.
        load: gives the pixels, uint8 (H, W), of the image at a position.
        names: the name of the image at each position.
        folder: where to write; it must exist.
        max_pages: how many pages to write at most.
    """
    ordered = sorted(pairs, key=lambda pair: (pair.similarity, pair))
    paths: list[Path] = []
    for start in range(0, min(len(ordered), PAIRS_PER_PAGE * max_pages), PAIRS_PER_PAGE):
        page = ordered[start : start + PAIRS_PER_PAGE]
        title = f"pairs {start + 1} to {start + len(page)} of {len(ordered)}, the least similar first"
        paths.append(folder / (f"duplicates-{len(paths) + 1}.png" if paths else "duplicates.png"))
        make_sheet(title, [_make_pair_tile(pair, load, names) for pair in page], PAIRS_PER_ROW).save(paths[-1])
    return paths


def _make_pair_tile(pair: Pair, load: Callable[[int], np.ndarray], names: Sequence[str]) -> Image.Image:
    images = [Image.fromarray(load(position)) for position in (pair.first, pair.second)]
    return make_tile(images, [names[pair.first], names[pair.second], f"similarity {pair.similarity:.3f}"])


def draw_audit(path: Path, section: Audit) -> Path:
    """Draw the AUROC of every probe with its interval, and the value from which on a probe is flagged."""
    entries = section["probes"]
    figure = Figure(figsize=(9.5, 1.6 + 0.62 * len(entries)), layout="constrained")
    axes = figure.subplots()
    for place, entry in enumerate(entries):
        _draw_probe(axes, place, entry)
    axes.axvline(0.5, color="black", linewidth=1)
    axes.axvline(FLAG_AUROC, color=_FLAGGED, linestyle="--", linewidth=1)
    for at, text in ((0.5, "chance"), (FLAG_AUROC, f"flagged from {FLAG_AUROC:.2f}")):
        axes.annotate(text, (at, 1.01), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=9)
    axes.set_yticks(range(len(entries)), [textwrap.fill(entry["what"], 46) for entry in entries], fontsize=9)
    axes.set(
        xlim=(0, 1.12), ylim=(len(entries) - 0.4, -0.6), xlabel="AUROC on the test split, 95 % interval over patients"
    )
    axes.set_xticks([tick / 10 for tick in range(11)])
    figure.suptitle(textwrap.fill(section["verdict"], 100), fontsize=10)
    return _save(figure, path)


def _draw_probe(axes: Axes, place: int, entry: ProbeResult) -> None:
    auroc, low, high = entry["auroc"], entry["low"], entry["high"]
    if auroc is None or low is None or high is None:
        axes.annotate(f"not tested: {entry['note']}", (0.02, place), va="center", fontsize=9)
        return
    axes.barh(place, auroc, height=0.55, color=_FLAGGED if entry["shouts"] else _NOT_FLAGGED, alpha=0.8)
    axes.errorbar(auroc, place, xerr=[[auroc - low], [high - auroc]], color="black", capsize=4, linewidth=1.2)
    axes.annotate(f"{auroc:.2f}", (1.03, place), va="center", fontsize=10)


def draw_split_table(path: Path, counts: Counts) -> Path:
    """Draw the report's numbers of images by source, class and split as a table."""
    cells = [
        [
            source.replace("$", r"\$"),
            label,
            *(f"{labels[label][split]:,}" for split in SPLITS),
            f"{sum(labels[label].values()):,}",
        ]
        for source, labels in counts.items()
        for label in LABELS
    ]
    totals = [sum(labels[label][split] for labels in counts.values() for label in LABELS) for split in SPLITS]
    cells.append(["all", "", *(f"{total:,}" for total in totals), f"{sum(totals):,}"])
    figure = Figure(figsize=(5.6, 0.3 * (len(cells) + 1)))
    axes = figure.subplots()
    axes.axis("off")
    table = axes.table(cells, colLabels=["source", "class", *SPLITS, "all"], loc="center", edges="horizontal")
    table.auto_set_font_size(False)
    table.set_fontsize(10)
    table.scale(1, 1.5)
    table.auto_set_column_width(list(range(len(cells[0]))))
    return _save(figure, path)


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    return path
