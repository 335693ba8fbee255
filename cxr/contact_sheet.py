"""Contact sheets: many small images with captions on one page, for a person to review."""

import hashlib
import re
from collections.abc import Sequence

from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont, ImageOps

COLUMNS, ROWS = 6, 5
"""Tiles of one image on a page."""

_SIDE, _LINE, _GAP, _HEADER = 220, 15, 10, 44
_PAPER, _INK, _FAINT = 250, 20, 110


def make_tile(images: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    """Images side by side, each padded to a square, above lines of text: the first one dark, the others fainter."""
    width = len(images) * (_SIDE + _GAP) - _GAP
    page = Image.new("L", (width, _SIDE + 4 + _LINE * len(captions)), _PAPER)
    for place, image in enumerate(images):
        page.paste(ImageOps.pad(image.convert("L"), (_SIDE, _SIDE), color=_PAPER), (place * (_SIDE + _GAP), 0))
    draw, font = ImageDraw.Draw(page), _font(12)
    for line, text in enumerate(captions):
        position = (0, _SIDE + 3 + _LINE * line)
        draw.text(position, _shortened(text, font, width), fill=_FAINT if line else _INK, font=font)
    return page


def make_sheet(title: str, tiles: Sequence[Image.Image], columns: int = COLUMNS) -> Image.Image:
    """A page of tiles of one size, `columns` in a row, below a title."""
    across, down = tiles[0].width + _GAP, tiles[0].height + _GAP
    rows = -(-len(tiles) // columns)
    page = Image.new("L", (columns * across + _GAP, _HEADER + rows * down), _PAPER)
    ImageDraw.Draw(page).text((_GAP, 10), title, fill=_INK, font=_font(20))
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        page.paste(tile, (_GAP + column * across, _HEADER + row * down))
    return page


def safe_file_name(name: str) -> str:
    """A name as part of a file name; a hash keeps apart names of which the same characters remain."""
    plain = re.sub(r"[^\w.-]+", "_", name)
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font that matplotlib ships: it covers more scripts than Pillow's own."""
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The text, cut at its start where it is too long: file names differ at their ends."""
    if font.getlength(text) <= width:
        return text
    return next(f"…{text[cut:]}" for cut in range(1, len(text)) if font.getlength(f"…{text[cut:]}") <= width)
