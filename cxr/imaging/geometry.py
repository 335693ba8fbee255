"""The processor's resize arithmetic without torch, for the dataset room and training alike."""

CROP_PCT = 224 / 256
WARPED_FROM = 384


def short_side(input_size: int) -> int:
    """The short side, in pixels, that the processor resizes to before its crop: 256 for 224, 182 for 160."""
    return int(input_size / CROP_PCT)


def resized_size(size: tuple[int, int], short: int) -> tuple[int, int]:
    """(width, height) after the processor's resize to a short side of `short`; the long side is cut, not rounded."""
    width, height = size
    if width <= height:
        return short, int(short * height / width)
    return int(short * width / height), short


def visible_box(size: tuple[int, int], input_size: int, short: int | None = None) -> tuple[float, float, float, float]:
    """The part of a picture of `size` (width, height) that the network sees: left, top, right, bottom in its pixels.

    The processor crops the middle of the resized picture, whose short side is `short` (`short_side` without one); from
    384 px on it warps the whole instead.
    """
    if input_size >= WARPED_FROM:
        return 0.0, 0.0, float(size[0]), float(size[1])
    shrunk = resized_size(size, short or short_side(input_size))
    scale = size[0] / shrunk[0], size[1] / shrunk[1]
    left, top = ((side - input_size) // 2 for side in shrunk)
    return left * scale[0], top * scale[1], (left + input_size) * scale[0], (top + input_size) * scale[1]
