"""Contact sheets: thirty pictures of each collection and class on one page, for a person to look at.

They show the very radiographs, so they belong beside `report.json` on the user's disk, not on the Hub unless every
picture is synthetic.
"""

import hashlib
import heapq
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from PIL import Image

from cxr.contact_sheet import COLUMNS, ROWS, make_sheet, make_tile, safe_file_name
from cxr.schema.labels import LABELS
from dataset_script.audit import charts
from dataset_script.storage import finished

Member = tuple[str, int]
"""A row by its split and position."""


def draw(folder: Path, pictures: Path) -> list[Path]:
    """Write a contact sheet for each source and class of the dataset in `folder`, and its split table; their paths.

    The same dataset gives the same pages: pictures are picked by the hash of their names.
    """
    pictures.mkdir(parents=True, exist_ok=True)
    files = finished.shards(folder)
    rows = {split: finished.facts(paths) for split, paths in files.items()}
    table = charts.split_table(pictures / "split_table.png", finished.counts(rows))
    return [table, *_contact_sheets(files, rows, pictures)]


def _contact_sheets(files: dict[str, list[Path]], rows: dict[str, pa.Table], pictures: Path) -> Iterator[Path]:
    groups = defaultdict(list)
    for split, held in rows.items():
        for position, group in enumerate(zip(held["source"].to_pylist(), held["label"].to_pylist(), strict=True)):
            groups[group].append((split, position))
    names = {split: held["file"].to_pylist() for split, held in rows.items()}
    picked = {group: _pick(members, names) for group, members in sorted(groups.items())}
    tiles = _tiles(files, rows, {member for members in picked.values() for member in members})
    for (source, label), members in picked.items():
        title = f"{source} · {LABELS[label]}: {len(members)} of {len(groups[source, label]):,} pictures"
        path = pictures / f"{safe_file_name(source)}-{LABELS[label]}.png"
        make_sheet(title, [tiles[member] for member in members]).save(path)
        yield path


def _pick(members: Sequence[Member], names: dict[str, list[str]]) -> list[Member]:
    """The members whose names have the smallest hashes, in the order of their names."""

    def name(member: Member) -> str:
        split, position = member
        return names[split][position]

    by_hash = heapq.nsmallest(
        COLUMNS * ROWS, members, key=lambda member: hashlib.sha256(name(member).encode()).digest()
    )
    return sorted(by_hash, key=name)


def _tiles(files: dict[str, list[Path]], rows: dict[str, pa.Table], wanted: set[Member]) -> dict[Member, Image.Image]:
    tiles = {}
    for split, paths in files.items():
        positions = {position for where, position in wanted if where == split}
        for position, png in finished.pictures(paths, positions):
            tiles[split, position] = _tile(png, rows[split].slice(position, 1).to_pylist()[0], split)
    return tiles


def _tile(png: bytes, row: dict, split: str) -> Image.Image:
    """A picture, its file below it, and what else a person wants to know."""
    said = " · ".join(part for part in (split, row["view"], f"{row['width']}×{row['height']}", row["format"]) if part)
    with Image.open(io.BytesIO(png)) as image:
        return make_tile([image], [row["file"], said])
