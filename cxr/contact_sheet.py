"""Contact sheets: many small pictures with their captions on one page, for a person to look at."""

import hashlib
import re
from collections.abc import Sequence

from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont, ImageOps

COLUMNS, ROWS = 6, 5
_TILE, _LINE, _GAP, _HEADER = 220, 15, 10, 44
_PAPER, _INK, _FAINT = 250, 20, 110


def make_tile(image: Image.Image, captions: Sequence[str]) -> Image.Image:
    """A picture on a square of paper, lines of text below it: the first one dark, the others fainter."""
    page = Image.new("L", (_TILE, _TILE + 4 + _LINE * len(captions)), _PAPER)
    page.paste(ImageOps.pad(image.convert("L"), (_TILE, _TILE), color=_PAPER))
    write, font = ImageDraw.Draw(page), _font(12)
    for line, text in enumerate(captions):
        where = (0, _TILE + 3 + _LINE * line)
        write.text(where, _shortened(text, font), fill=_FAINT if line else _INK, font=font)
    return page


def make_sheet(title: str, tiles: Sequence[Image.Image]) -> Image.Image:
    """A page of tiles of one size, six beside each other, under a title."""
    across, down = _TILE + _GAP, tiles[0].height + _GAP
    lines = -(-len(tiles) // COLUMNS)
    page = Image.new("L", (COLUMNS * across + _GAP, _HEADER + lines * down), _PAPER)
    ImageDraw.Draw(page).text((_GAP, 10), title, fill=_INK, font=_font(20))
    for number, picture in enumerate(tiles):
        line, column = divmod(number, COLUMNS)
        page.paste(picture, (_GAP + column * across, _HEADER + line * down))
    return page


def safe_file_name(name: str) -> str:
    """A name as part of a file name; a hash tells names apart that had to be changed alike."""
    plain = re.sub(r"[^\w.-]+", "_", name)
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font that matplotlib brings along: it has more of the world's letters than Pillow's own."""
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)


def _shortened(text: str, font: ImageFont.FreeTypeFont) -> str:
    """The text, its front cut off where it is too long: files differ at their ends."""
    if font.getlength(text) <= _TILE:
        return text
    return next(f"…{text[cut:]}" for cut in range(1, len(text)) if font.getlength(f"…{text[cut:]}") <= _TILE)
