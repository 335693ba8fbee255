"""The processor's resize arithmetic without torch, for the dataset room and training alike."""

CROP_PCT = 224 / 256


def short_side(input_size: int) -> int:
    """The short side, in pixels, that the processor resizes to before its crop: 256 for 224, 182 for 160."""
    return int(input_size / CROP_PCT)


def resized(size: tuple[int, int], short: int) -> tuple[int, int]:
    """(width, height) after the processor's resize to a short side of `short`; the long side is cut, not rounded."""
    width, height = size
    if width <= height:
        return short, int(short * height / width)
    return int(short * width / height), short
