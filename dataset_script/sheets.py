"""Contact sheets: thirty pictures of each collection and class on one page, for a person to look at.

They show the very radiographs, so they belong beside `report.json` on the user's disk, not on the Hub unless every
picture is synthetic.
"""

import hashlib
import heapq
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont, ImageOps

from cxr.labels import LABELS
from dataset_script import charts, finished

COLUMNS, ROWS = 6, 5
_TILE, _CAPTION, _GAP, _HEADER = 220, 34, 10, 44
_PAPER, _INK, _FAINT = 250, 20, 110

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
        path = pictures / f"{_slug(source)}-{LABELS[label]}.png"
        _sheet(title, [tiles[member] for member in members]).save(path)
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
    tile = Image.new("L", (_TILE, _TILE + _CAPTION), _PAPER)
    with Image.open(io.BytesIO(png)) as image:
        tile.paste(ImageOps.pad(image.convert("L"), (_TILE, _TILE), color=_PAPER))
    said = " · ".join(part for part in (split, row["view"], f"{row['width']}×{row['height']}", row["format"]) if part)
    write, font = ImageDraw.Draw(tile), _font(12)
    for line, (text, ink) in enumerate([(row["file"], _INK), (said, _FAINT)]):
        write.text((0, _TILE + 3 + 15 * line), _shortened(text, font), fill=ink, font=font)
    return tile


def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font that matplotlib brings along: it has more of the world's letters than Pillow's own."""
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)


def _shortened(text: str, font: ImageFont.FreeTypeFont) -> str:
    """The text, its front cut off where it is too long: files differ at their ends."""
    if font.getlength(text) <= _TILE:
        return text
    return next(f"…{text[cut:]}" for cut in range(1, len(text)) if font.getlength(f"…{text[cut:]}") <= _TILE)


def _sheet(title: str, tiles: Sequence[Image.Image]) -> Image.Image:
    across, down = _TILE + _GAP, _TILE + _CAPTION + _GAP
    lines = -(-len(tiles) // COLUMNS)
    page = Image.new("L", (COLUMNS * across + _GAP, _HEADER + lines * down), _PAPER)
    ImageDraw.Draw(page).text((_GAP, 10), title, fill=_INK, font=_font(20))
    for number, tile in enumerate(tiles):
        line, column = divmod(number, COLUMNS)
        page.paste(tile, (_GAP + column * across, _HEADER + line * down))
    return page


def _slug(source: str) -> str:
    """The source as part of a file name; a hash tells sources apart whose names had to be changed alike."""
    plain = re.sub(r"[^\w.-]+", "_", source)
    return plain if plain == source else f"{plain}-{hashlib.sha256(source.encode()).hexdigest()[:6]}"
