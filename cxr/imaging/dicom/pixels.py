"""Stored pixel values of a DICOM file: transfer syntaxes, compressed frames, unused bits.

pydicom itself reads uncompressed and deflated pixels. imagecodecs (BSD; libjpeg-turbo, CharLS, OpenJPEG, and PackBits
of bounded length for RLE) reads all other syntaxes, 12-bit JPEG Extended included, as a decoding plugin of pydicom.
Other plugins that happen to be
installed (gdcm, pylibjpeg, Pillow) are never used: one file must give the same pixels everywhere.
"""

import struct
import threading
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import uid
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import Decoder, DecodeRunner

from cxr.errors import UnreadableImage
from cxr.imaging.dicom.header import text_of
from cxr.imaging.limits import check_scans

PLUGIN = "cxr-imagecodecs"

_JPEG = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1)
_JPEG_LS = (uid.JPEGLSLossless, uid.JPEGLSNearLossless)
_JPEG_2000 = (uid.JPEG2000Lossless, uid.JPEG2000, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K)
_UNCOMPRESSED = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)
_AS_STORED = (*_UNCOMPRESSED, uid.DeflatedExplicitVRLittleEndian, uid.RLELossless)
SUPPORTED = (*_AS_STORED, *_JPEG, *_JPEG_LS, *_JPEG_2000)

DECODER_DEPENDENCIES = dict.fromkeys((uid.RLELossless, *_JPEG, *_JPEG_LS, *_JPEG_2000), ("imagecodecs",))
"""The syntaxes that the plugin decodes, and what it needs for them; pydicom reads this name."""

RLE_EXPANDS = "has more pixels in its RLE segments than its header says"
_REFUSALS = "refusals"

_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_LOSSY = (uid.JPEGLSNearLossless, uid.JPEG2000, uid.HTJ2K)
_END = b"\xff\xd9"
_PADDING = 1024
_PARAMETERLESS = {0x01, 0xFF, *range(0xD0, 0xD9)}

_registration = threading.Lock()


@dataclass(frozen=True)
class StoredPixels:
    """Decoded values, integers (H, W) or (H, W, 3), and their photometric interpretation ("MONOCHROME1", "RGB" …)."""

    values: NDArray[np.integer]
    photometric: str


def decode_pixels(dataset: pydicom.Dataset) -> StoredPixels:
    """Decode the image: unused bits dropped, sign extended, YBR turned to RGB, palettes still indices.

    Attributes that a poor header lacks are added to `dataset`.

    Raises:
        UnreadableImage: if the frame is such that decoding it would cost too much.
    """
    dataset.setdefault("PixelRepresentation", 0)
    dataset.setdefault("SamplesPerPixel", 1)
    dataset.setdefault("BitsStored", dataset.BitsAllocated)
    photometric = text_of(dataset, "PhotometricInterpretation").upper()
    dataset.PhotometricInterpretation = photometric or ("MONOCHROME2" if dataset.SamplesPerPixel == 1 else "RGB")
    syntax = dataset.file_meta.TransferSyntaxUID
    refusals: list[UnreadableImage] = []
    options: dict[str, Any] = {_REFUSALS: refusals, "correct_unused_bits": False}
    try:
        plugin = PLUGIN if syntax in DECODER_DEPENDENCIES else ""
        values, metadata = _decoder(syntax).as_array(dataset, index=0, decoding_plugin=plugin, **options)
    except RuntimeError:  # all that pydicom says of a plugin's errors
        if refusals:
            raise refusals[0] from None
        raise
    if syntax in _LOSSY:
        values = _without_overshoot(values, dataset)
    values = _used_bits(values, dataset, _low_bit(dataset) if syntax in _AS_STORED else 0)
    return StoredPixels(values, str(metadata["photometric_interpretation"]))


def _without_overshoot(values: NDArray[np.integer], dataset: pydicom.Dataset) -> NDArray[np.integer]:
    """Clip what lossy coding made of the extremes; other bits, such as an overlay's, lie further off."""
    least = -(1 << dataset.BitsStored - 1) if dataset.PixelRepresentation else 0
    most = least + (1 << dataset.BitsStored) - 1
    slack = (most - least) // 16
    overshoots = least - slack <= int(values.min()) and int(values.max()) <= most + slack
    return np.clip(values, least, most) if overshoots and dataset.BitsStored < 8 * values.itemsize else values


def _decoder(syntax: uid.UID) -> Decoder:
    """pydicom's decoder of a syntax, with our plugin from the first use on."""
    decoder = get_decoder(syntax)
    if syntax in DECODER_DEPENDENCIES:
        with _registration:
            if PLUGIN not in decoder.available_plugins:
                decoder.add_plugin(PLUGIN, (__name__, decode_frame.__name__))
    return decoder


def _low_bit(dataset: pydicom.Dataset) -> int:
    """Where the stored bits start; above 0 only in old files that align 12 bits to the left of 16."""
    low = (dataset.get("HighBit") or 0) + 1 - dataset.BitsStored
    return low if 0 < low <= dataset.BitsAllocated - dataset.BitsStored else 0


def _used_bits(values: NDArray[np.integer], dataset: pydicom.Dataset, low: int) -> NDArray[np.integer]:
    """Drop the bits that hold no pixel (an overlay, perhaps) and extend the sign (PS3.5 8.1.1)."""
    unused = 8 * values.itemsize - dataset.BitsStored
    if dataset.BitsAllocated == 1 or unused <= 0:
        return values
    return (values << (unused - low)) >> unused


def is_available(tsyntax: str) -> bool:
    """Whether the plugin decodes a syntax; pydicom calls it."""
    return tsyntax in DECODER_DEPENDENCIES


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Decode one frame, colours as they are stored; pydicom calls it.

    Raises:
        ValueError: if the frame's size is not the header's (checked before memory is allocated) or it has no end.
        UnreadableImage: if it would cost too much.
    """
    try:
        return _decode_frame(src, runner)
    except UnreadableImage as error:
        runner.get_option(_REFUSALS).append(error)  # pydicom passes no error on
        raise


def _decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    syntax = runner.transfer_syntax
    if syntax == uid.RLELossless:
        return _rle(src, runner)
    if syntax in _JPEG_2000:
        src = src[max(0, src.find(b"\xff\x4f\xff\x51")) :]  # some writers wrap the codestream into a JP2 file
        _check_shape(_jpeg_2000_shape(src), runner)
        values = imagecodecs.jpeg2k_decode(src, planar=False)
    else:
        _check_shape(_jpeg_shape(src), runner)
        if _END not in src.rstrip(b"\0")[-64:]:
            raise ValueError("no end of image")  # libjpeg would fill the rest with gray, CharLS search for seconds
        check_scans(src, runner.rows * runner.columns)
        values = imagecodecs.jpegls_decode(src) if syntax in _JPEG_LS else _jpeg(src, runner.samples_per_pixel)
    if syntax in _JPEG_2000 and runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
        runner.set_option("photometric_interpretation", "RGB")  # the codec has converted it
    runner.set_option("planar_configuration", 0)
    runner.set_option("bits_allocated", 8 * values.itemsize)
    return values.tobytes()


def _rle(src: bytes, runner: DecodeRunner) -> bytes:
    """Planes of bytes, the most significant first, as values in little endian, colour by plane (PS3.5 G)."""
    count, *starts = struct.unpack_from("<16I", src)
    size, plane = runner.bits_allocated // 8, runner.rows * runner.columns
    if count != runner.samples_per_pixel * size:
        raise ValueError("another number of segments than the header's")
    ends = [*starts[1:count], len(src)]
    planes = np.stack([_unpacked(src[start:end], plane) for start, end in zip(starts, ends, strict=False)])
    runner.set_option("planar_configuration", 1)
    return planes.reshape(-1, size, plane)[:, ::-1].transpose(0, 2, 1).tobytes()


def _unpacked(segment: bytes, size: int) -> NDArray[np.uint8]:
    """A segment of an RLE frame; what an encoder put behind its end, a little at most, is cut off."""
    try:
        unpacked = imagecodecs.packbits_decode(segment, out=size + _PADDING)
    except RuntimeError as error:  # the base class of its own, which it does not export
        if "OUTPUT_TOO_SMALL" in str(error):
            raise UnreadableImage(RLE_EXPANDS) from error
        raise
    if len(unpacked) < size:
        raise ValueError("a segment is too short")
    return np.frombuffer(unpacked, np.uint8, size)


def _jpeg(src: bytes, samples: int) -> NDArray[np.unsignedinteger]:
    if samples == 3:
        return imagecodecs.jpeg8_decode(src, colorspace="YCBCR", outcolorspace="YCBCR")
    return imagecodecs.jpeg8_decode(src)


def _check_shape(shape: tuple[int, int, int], runner: DecodeRunner) -> None:
    if shape != (runner.rows, runner.columns, runner.samples_per_pixel):
        raise ValueError("the codestream has another shape than the header")


def _jpeg_shape(src: bytes) -> tuple[int, int, int]:
    """Height, width and components in the frame header of JPEG or JPEG-LS (ITU-T T.81 B.2.2, T.87 C.2.2)."""
    at = 2
    while src[at] == 0xFF and src[at + 1] not in _FRAME_MARKERS:
        marker = src[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _PARAMETERLESS:
            at += 2
        else:
            at += 2 + int.from_bytes(src[at + 2 : at + 4])
    if src[at] != 0xFF:
        raise ValueError("no frame header")
    return int.from_bytes(src[at + 5 : at + 7]), int.from_bytes(src[at + 7 : at + 9]), src[at + 9]


def _jpeg_2000_shape(src: bytes) -> tuple[int, int, int]:
    """Height, width and components in the SIZ segment (ITU-T T.800 A.5.1)."""
    right, bottom, left, top = (int.from_bytes(src[at : at + 4]) for at in (8, 12, 16, 20))
    return bottom - top, right - left, int.from_bytes(src[40:42])
