"""The warning about a picture with colours; the gate lets many photographs of screens pass, and their files tell."""

from cxr.imaging.colour import PHOTOGRAPH_THRESHOLD
from cxr.imaging.reader import Radiograph

WARNING = (
    "The picture has colours, and X-rays have none. If it is a photograph of a screen or a film, the answer means "
    "little: give the file itself."
)


def warning(xray: Radiograph) -> str:
    """`WARNING` for a picture with colours, nothing for a gray one."""
    return WARNING if xray.colour_cast >= PHOTOGRAPH_THRESHOLD else ""
