"""Compressed DICOM frames through imagecodecs, as a decoding plugin of pydicom.

pydicom reads uncompressed, deflated and RLE pixels itself. imagecodecs (BSD; libjpeg-turbo, CharLS, OpenJPEG) alone
reads all the rest, 12-bit JPEG Extended included, so that no other decoder is needed. Plugins that happen to be
installed (gdcm, pylibjpeg, Pillow) are not asked: the same file has to give the same pixels everywhere.
"""

import imagecodecs
import numpy as np
from pydicom import uid
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import DecodeRunner

PLUGIN = "cxr-imagecodecs"

_JPEG = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1)
_JPEG_LS = (uid.JPEGLSLossless, uid.JPEGLSNearLossless)
_JPEG_2000 = (uid.JPEG2000Lossless, uid.JPEG2000, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K)
NATIVE = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)
NATIVE += (uid.DeflatedExplicitVRLittleEndian,)
SUPPORTED = (*NATIVE, uid.RLELossless, *_JPEG, *_JPEG_LS, *_JPEG_2000)

DECODER_DEPENDENCIES = dict.fromkeys((*_JPEG, *_JPEG_LS, *_JPEG_2000), ("imagecodecs",))

_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_END = b"\xff\xd9"
_PARAMETERLESS = {0x01, 0xFF, *range(0xD0, 0xD9)}


def is_available(tsyntax: str) -> bool:
    """What pydicom asks a plugin."""
    return tsyntax in DECODER_DEPENDENCIES


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Decode one frame, colours as they are stored; what pydicom calls.

    Raises:
        ValueError: if the frame is not the picture that the header announces (asked before memory is taken for it),
            or has no end.
    """
    syntax = runner.transfer_syntax
    if syntax in _JPEG_2000:
        src = src[max(0, src.find(b"\xff\x4f\xff\x51")) :]  # some writers wrap the codestream into a JP2 file
        _check(_jpeg_2000_shape(src), runner)
        values = imagecodecs.jpeg2k_decode(src, planar=False)
    else:
        _check(_jpeg_shape(src), runner)
        if _END not in src[-64:]:
            raise ValueError("no end of image")  # libjpeg would fill the rest with gray, CharLS search for seconds
        values = imagecodecs.jpegls_decode(src) if syntax in _JPEG_LS else _jpeg(src, runner.samples_per_pixel)
    if syntax in _JPEG_2000 and runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
        runner.set_option("photometric_interpretation", "RGB")  # the codec has turned it back
    runner.set_option("planar_configuration", 0)
    runner.set_option("bits_allocated", 8 * values.itemsize)
    return values.tobytes()


def _jpeg(src: bytes, samples: int) -> np.ndarray:
    return imagecodecs.jpeg8_decode(src, **({"colorspace": "YCBCR", "outcolorspace": "YCBCR"} if samples == 3 else {}))


def _check(found: tuple[int, int, int], runner: DecodeRunner) -> None:
    if found != (runner.rows, runner.columns, runner.samples_per_pixel):
        raise ValueError("the codestream is not the picture of the header")


def _jpeg_shape(src: bytes) -> tuple[int, int, int]:
    """Height, width and components in the frame header of JPEG or JPEG-LS (ITU-T T.81 B.2.2, T.87 C.2.2)."""
    at = 2
    while src[at] == 0xFF and src[at + 1] not in _FRAME_MARKERS:
        marker = src[at + 1]
        at += 1 if marker == 0xFF else 2 if marker in _PARAMETERLESS else 2 + int.from_bytes(src[at + 2 : at + 4])
    if src[at] != 0xFF:
        raise ValueError("no frame header")
    return int.from_bytes(src[at + 5 : at + 7]), int.from_bytes(src[at + 7 : at + 9]), src[at + 9]


def _jpeg_2000_shape(src: bytes) -> tuple[int, int, int]:
    """Height, width and components in the SIZ segment (ITU-T T.800 A.5.1)."""
    right, bottom, left, top = (int.from_bytes(src[at : at + 4]) for at in (8, 12, 16, 20))
    return bottom - top, right - left, int.from_bytes(src[40:42])


for _syntax in DECODER_DEPENDENCIES:
    get_decoder(_syntax).add_plugin(PLUGIN, (__name__, decode_frame.__name__))
