"""Shows the pairs found side by side, for a person to look at."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from dataset_script.duplicates.search import Pair

MOST_PAGES = 40

_SIDE, _LINE, _GAP = 240, 12, 12
_CELL = 2 * _SIDE + _GAP, _SIDE + 3 * _LINE + _GAP
_COLUMNS, _ROWS = 3, 6
_PAPER, _INK = 40, 235


def draw(
    pairs: Sequence[Pair],
    load: Callable[[int], np.ndarray],
    names: Sequence[str],
    folder: Path,
    *,
    stem: str = "duplicates",
    most_pages: int = MOST_PAGES,
) -> list[Path]:
    """Write `duplicates.png`, `duplicates-2.png`, … to `folder`, 18 pairs a page, and return their paths.

    The least similar pairs come first, so that what may be wrong is on the first page; beyond `most_pages` the most
    similar are left out, and the last page says how many. A page is finished before the next is begun. Pages of an
    earlier run are removed.

    Args:
        pairs: what `duplicates.find_copies` found.
        load: gives the pixels, uint8 (H, W), of picture i.
        names: what to write under each picture.
        folder: where to write; it must exist.
        stem: what the files are called.
        most_pages: how many to write at most.
    """
    for old in [folder / f"{stem}.png", *folder.glob(f"{stem}-[0-9]*.png")]:
        old.unlink(missing_ok=True)
    ordered = sorted(pairs, key=lambda pair: (pair.similarity, pair))
    per_page = _COLUMNS * _ROWS
    shown, pages = ordered[: per_page * most_pages], []
    for start in range(0, len(shown), per_page):
        part = shown[start : start + per_page]
        note = f"pairs {start + 1} to {start + len(part)} of {len(ordered)}, the least similar first"
        pages.append(folder / (f"{stem}-{len(pages) + 1}.png" if pages else f"{stem}.png"))
        _page(part, load, names, note).save(pages[-1])
    return pages


def _page(pairs: Sequence[Pair], load: Callable[[int], np.ndarray], names: Sequence[str], note: str) -> Image.Image:
    columns, rows = min(_COLUMNS, len(pairs)), -(-len(pairs) // _COLUMNS)
    page = Image.new("L", (_GAP + columns * (_CELL[0] + _GAP), 2 * _LINE + _GAP + rows * _CELL[1]), _PAPER)
    ImageDraw.Draw(page).text((_GAP, 6), note, fill=_INK)
    for place, pair in enumerate(pairs):
        row, column = divmod(place, _COLUMNS)
        page.paste(_pair(pair, load, names), (_GAP + column * (_CELL[0] + _GAP), 2 * _LINE + _GAP + row * _CELL[1]))
    return page


def _pair(pair: Pair, load: Callable[[int], np.ndarray], names: Sequence[str]) -> Image.Image:
    cell = Image.new("L", _CELL, _PAPER)
    pen = ImageDraw.Draw(cell)
    for place, index in enumerate((pair.first, pair.second)):
        picture = ImageOps.contain(Image.fromarray(load(index)), (_SIDE, _SIDE))
        cell.paste(picture, (place * (_SIDE + _GAP) + (_SIDE - picture.width) // 2, (_SIDE - picture.height) // 2))
        pen.text((0, _SIDE + 2 + place * _LINE), _shortened(names[index]), fill=_INK)
    pen.text((0, _SIDE + 2 + 2 * _LINE), f"similarity {pair.similarity:.3f}", fill=_INK)
    return cell


def _shortened(name: str) -> str:
    """The end of a name that is too long for its place: what tells files apart mostly stands there."""
    most = _CELL[0] // 7
    return name if len(name) <= most else f"…{name[-most + 1 :]}"
