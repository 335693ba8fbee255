"""Image files that no encoder writes, made from ones that encoders do: seeded, and aware of each format's structure.

A mutation changes a few fields where a decoder reads counts, sizes and pointers, takes parts out, repeats or reorders
them, or damages bytes anywhere. `mutants(seed)` is an endless supply of (name, bytes); the name leads back to the file.
"""

import io
import itertools
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import cv2
import imagecodecs
import numpy as np
import pydicom
import tifffile
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from cxr.phantom import draw_phantom

EXTREMES = (
    0,
    1,
    2,
    3,
    7,
    8,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x10000,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
)
"""Values at which counts, sizes and signs go wrong."""

_SIDE = 96
_MOST_REPEATED = 30_000
_MAX_BYTES = 4 << 20
_PNG_START = b"\x89PNG\r\n\x1a\n"

Rng = np.random.Generator
Mutation = Callable[[bytes, Rng], bytes]


class Mutant(NamedTuple):
    """A file: where it comes from, and its bytes."""

    name: str
    content: bytes


def mutants(seed: int) -> Iterator[Mutant]:
    """Files without end, the formats in turn; the same for the same seed."""
    originals = seeds()
    for number, (kind, raw) in zip(itertools.count(), itertools.cycle(originals.items()), strict=False):
        rng = np.random.default_rng((seed, number))
        content = raw
        for _ in range(rng.integers(1, 4)):
            content = _mutate(kind, content, rng)[:_MAX_BYTES]
        yield Mutant(f"{seed}-{number}.{kind}", content)


def _mutate(kind: str, raw: bytes, rng: Rng) -> bytes:
    known = _BY_FORMAT.get(kind.split(".")[-1], ())
    mutation = (
        known[rng.integers(len(known))] if known and rng.random() < 0.7 else _ANYWHERE[rng.integers(len(_ANYWHERE))]
    )
    try:
        return mutation(raw, rng) if raw else raw
    except Exception:  # an earlier mutation left too little to parse
        return raw


def _flip(raw: bytes, rng: Rng) -> bytes:
    damaged = bytearray(raw)
    for at in rng.integers(0, len(raw), rng.integers(1, 9)):
        damaged[at] = rng.integers(256)
    return bytes(damaged)


def _in_header(raw: bytes, rng: Rng) -> bytes:
    """A field of 1, 2 or 4 bytes in the first part becomes extreme."""
    size = (1, 2, 4)[rng.integers(3)]
    at = int(rng.integers(0, max(1, min(len(raw) - size, 400))))
    value = EXTREMES[rng.integers(len(EXTREMES))] % (1 << 8 * size)
    return raw[:at] + value.to_bytes(size, "big" if rng.random() < 0.5 else "little") + raw[at + size :]


def _cut(raw: bytes, rng: Rng) -> bytes:
    return raw[: rng.integers(0, len(raw))]


def _take_out(raw: bytes, rng: Rng) -> bytes:
    start, end = sorted(rng.integers(0, len(raw), 2))
    return raw[:start] + raw[min(end, start + 2000) :]


def _repeat(raw: bytes, rng: Rng) -> bytes:
    start = int(rng.integers(0, len(raw)))
    part = raw[start : start + int(rng.integers(1, 200))]
    return raw[:start] + part * _times(part, rng) + raw[start:]


def _insert(raw: bytes, rng: Rng) -> bytes:
    at = int(rng.integers(0, len(raw)))
    return raw[:at] + rng.bytes(int(rng.integers(1, 5000))) + raw[at:]


def _times(part: bytes, rng: Rng) -> int:
    """How often a part is repeated: mostly a few times, now and then very many, but no oftener than fills a file."""
    times = int(rng.integers(2, 40)) if rng.random() < 0.85 else int(rng.integers(1000, _MOST_REPEATED))
    return min(times, 1 + _MAX_BYTES // max(1, len(part)))


_ANYWHERE: tuple[Mutation, ...] = (_flip, _in_header, _in_header, _cut, _take_out, _repeat, _insert)


def _rearranged(parts: Sequence[bytes], rng: Rng) -> list[bytes]:
    """Parts of a file in another order, without one, or with one again and again."""
    parts = list(parts)
    at, other = (int(rng.integers(0, len(parts))) for _ in range(2))
    match rng.integers(4):
        case 0:
            parts.pop(at)
        case 1:
            parts[at], parts[other] = parts[other], parts[at]
        case _:
            parts[at:at] = [parts[other]] * _times(parts[other], rng)
    return parts


def _png_chunks(raw: bytes) -> list[bytes]:
    chunks, at = [], len(_PNG_START)
    while at + 12 <= len(raw):
        end = at + 12 + struct.unpack_from(">I", raw, at)[0]
        chunks.append(raw[at:end])
        at = end
    return chunks


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png_order(raw: bytes, rng: Rng) -> bytes:
    return _PNG_START + b"".join(_rearranged(_png_chunks(raw), rng))


def _png_content(raw: bytes, rng: Rng) -> bytes:
    """Another content of a chunk, with the right checksum."""
    chunks = _png_chunks(raw)
    at = int(rng.integers(len(chunks)))
    name, data = chunks[at][4:8], chunks[at][8:-4]
    chunks[at] = _png_chunk(name, _ANYWHERE[rng.integers(len(_ANYWHERE))](data or b"\0", rng))
    return _PNG_START + b"".join(chunks)


def _png_extra(raw: bytes, rng: Rng) -> bytes:
    """Metadata of any size that is compressed, or a directory of EXIF that points at itself."""
    bomb = zlib.compress(bytes(int(rng.integers(1, 1 << 22))))
    exif = b"MM\0*\0\0\0\x08" + struct.pack(">H", 500) + 500 * struct.pack(">HHII", rng.integers(1 << 16), 7, 60_000, 8)
    extra = (
        _png_chunk(b"zTXt", b"a\0\0" + bomb),
        _png_chunk(b"iCCP", b"a\0\0" + bomb),
        _png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb),
        _png_chunk(b"eXIf", exif + bytes(60_000)),
        _png_chunk(b"tEXt", b""),
        _png_chunk(b"acTL", struct.pack(">II", 1 << 30, 0)),
        _png_chunk(b"tRNS", rng.bytes(int(rng.integers(0, 300)))),
        _png_chunk(b"PLTE", rng.bytes(int(rng.integers(0, 800)))),
        _png_chunk(b"IDAT", b""),
    )
    chunk = extra[rng.integers(len(extra))]
    return raw[:33] + chunk * _times(chunk, rng) + raw[33:]


def _jpeg_segments(raw: bytes) -> list[bytes]:
    """From marker to marker; what follows a start of scan belongs to it."""
    starts = [at for at in range(len(raw) - 1) if raw[at] == 0xFF and raw[at + 1] not in (0, 0xFF, *range(0xD0, 0xD8))]
    return [raw[start:end] for start, end in zip(starts, [*starts[1:], len(raw)], strict=True)]


def _jpeg_order(raw: bytes, rng: Rng) -> bytes:
    return b"".join(_rearranged(_jpeg_segments(raw), rng))


def _jpeg_scans(raw: bytes, rng: Rng) -> bytes:
    """The last scan again and again."""
    start, end = raw.rindex(b"\xff\xda"), raw.rindex(b"\xff\xd9")
    scan = raw[start:end]
    return raw[:end] + scan * _times(scan, rng) + raw[end:]


def _jpeg_frame(raw: bytes, rng: Rng) -> bytes:
    """Another process, depth, size, sampling or number of components."""
    at = next(at for at in range(len(raw)) if raw[at] == 0xFF and raw[at + 1] in (0xC0, 0xC2))
    damaged = bytearray(raw)
    if rng.random() < 0.3:
        damaged[at + 1] = rng.integers(0xC0, 0xD0)
    damaged[at + int(rng.integers(4, 12))] = EXTREMES[rng.integers(len(EXTREMES))] & 0xFF
    return bytes(damaged)


def _tiff_entry(raw: bytes, rng: Rng) -> bytes:
    """Another tag, type, count or value of an entry of the directory."""
    order = "<" if raw.startswith(b"II") else ">"
    start = struct.unpack_from(f"{order}I", raw, 4)[0]
    count = struct.unpack_from(f"{order}H", raw, start)[0]
    at = start + 2 + 12 * int(rng.integers(0, max(1, min(count, 40))))
    field, size = ((0, 2), (2, 2), (4, 4), (8, 4))[rng.integers(4)]
    value = EXTREMES[rng.integers(len(EXTREMES))] if size == 4 or rng.random() < 0.2 else rng.integers(0, 20)
    if field == 0:
        value = (256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 338, 339)[rng.integers(17)]
    return (
        raw[: at + field]
        + (int(value) % (1 << 8 * size)).to_bytes(size, "little" if order == "<" else "big")
        + raw[at + field + size :]
    )


def _tiff_count(raw: bytes, rng: Rng) -> bytes:
    """Another number of entries, or another start of the directory."""
    order = "<" if raw.startswith(b"II") else ">"
    start = struct.unpack_from(f"{order}I", raw, 4)[0]
    if rng.random() < 0.5:
        return raw[:start] + struct.pack(f"{order}H", EXTREMES[rng.integers(len(EXTREMES))] & 0xFFFF) + raw[start + 2 :]
    return raw[:4] + struct.pack(f"{order}I", int(rng.integers(0, len(raw)))) + raw[8:]


def _riff_chunks(raw: bytes, rng: Rng) -> bytes:
    parts, at = [], 12
    while at + 8 <= len(raw):
        end = at + 8 + struct.unpack_from("<I", raw, at + 4)[0]
        parts.append(raw[at : end + end % 2])
        at = end + end % 2
    body = b"".join(_rearranged(parts, rng))
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _bmp_header(raw: bytes, rng: Rng) -> bytes:
    at, size = ((10, 4), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2), (30, 4), (34, 4), (46, 4))[rng.integers(9)]
    value = (0, 1, 2, 4, 8, 12, 16, 24, 32, 40, 64, 108, 124, *EXTREMES)[rng.integers(13 + len(EXTREMES))]
    return raw[:at] + (value % (1 << 8 * size)).to_bytes(size, "little") + raw[at + size :]


def _gif_blocks(raw: bytes, rng: Rng) -> bytes:
    """Extensions, empty ones or of a loop, before the image; or another frame."""
    start = 13 + 3 * (1 << (raw[10] & 7) + 1) * (raw[10] >> 7)
    block = (b"!\xfe\0", b"!\xf9\4\1\0\0\0\0", b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0", raw[start:-1])[rng.integers(4)]
    return raw[:start] + block * _times(block, rng) + raw[start:]


def _dicom_elements(raw: bytes, rng: Rng) -> bytes:
    """A value, a value representation or a length in the header."""
    at = raw.rindex(b"\xe0\x7f\x10\0") if rng.random() < 0.2 else int(rng.integers(132, min(len(raw) - 8, 1500)))
    return raw[:at] + _in_header(raw[at:], rng)


def _dicom_attributes(raw: bytes, rng: Rng) -> bytes:
    """An attribute that decides how pixels are read or shown becomes extreme, gone or another text."""
    dataset = pydicom.dcmread(io.BytesIO(raw), force=True)
    keyword = _DECISIVE[rng.integers(len(_DECISIVE))]
    if rng.random() < 0.2:
        dataset.pop(keyword, None)
    else:
        limit = (
            0xFFFF if keyword not in ("WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept") else 1 << 31
        )
        texts = ("MONOCHROME1", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "RGB", "nonsense", "")
        value = EXTREMES[rng.integers(len(EXTREMES))] % limit
        setattr(dataset, keyword, texts[rng.integers(7)] if keyword == "PhotometricInterpretation" else value)
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, dataset)
    return stream.getvalue()


def _dicom_padding(raw: bytes, rng: Rng) -> bytes:
    """Many small elements before the pixels."""
    at = raw.rindex(b"\xe0\x7f\x10\0")
    element = (b"\x09\0\x10\0LO\2\0ab", b"\x08\0\x40\x11SQ\0\0\0\0\0\0", b"\xfe\xff\0\xe0\0\0\0\0")[rng.integers(3)]
    return raw[:at] + element * _times(element, rng) + raw[at:]


_DECISIVE = (
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel"),
    *("PlanarConfiguration", "PhotometricInterpretation", "NumberOfFrames", "PixelPaddingValue", "WindowCenter"),
    *("WindowWidth", "RescaleSlope", "RescaleIntercept"),
)

_BY_FORMAT: dict[str, tuple[Mutation, ...]] = {
    "png": (_png_order, _png_content, _png_extra),
    "jpg": (_jpeg_order, _jpeg_scans, _jpeg_frame),
    "tif": (_tiff_entry, _tiff_entry, _tiff_count),
    "webp": (_riff_chunks,),
    "bmp": (_bmp_header,),
    "gif": (_gif_blocks,),
    "dcm": (_dicom_elements, _dicom_attributes, _dicom_padding),
}


def seeds() -> dict[str, bytes]:
    """Small files of every kind, by a name whose ending is the format's."""
    gray = cv2.resize(draw_phantom(1, 1).image, (_SIDE, _SIDE)).astype(np.uint8)
    rgb, deep = np.dstack([gray, gray // 2, gray]), gray.astype(np.uint16) * 16 + 3
    exif = Image.Exif()
    exif[274] = 6
    return {
        "gray.png": _encoded(gray, "PNG"),
        "rgba.png": _encoded(np.dstack([rgb, gray]), "PNG", exif=exif),
        "palette.png": _encoded(Image.fromarray(gray).convert("P"), "PNG"),
        "deep.png": _encoded(deep, "PNG"),
        "deep_rgb.png": imagecodecs.png_encode(np.dstack([deep] * 3)),
        "gray.jpg": _encoded(gray, "JPEG", exif=exif),
        "progressive.jpg": _encoded(rgb, "JPEG", progressive=True),
        "cmyk.jpg": _encoded(Image.fromarray(rgb).convert("CMYK"), "JPEG"),
        "lossy.webp": _encoded(rgb, "WEBP"),
        "lossless.webp": _encoded(np.dstack([rgb, gray]), "WEBP", lossless=True, exif=exif),
        "gray.tif": _encoded(gray, "TIFF"),
        "lzw.tif": _encoded(rgb, "TIFF", compression="tiff_lzw"),
        "jpeg.tif": _encoded(rgb, "TIFF", compression="jpeg"),
        "fax.tif": _encoded(Image.fromarray(gray).convert("1"), "TIFF", compression="group4"),
        "deep.tif": _tiff(deep, photometric="minisblack", tile=(32, 32), compression="zlib"),
        "real.tif": _tiff(gray.astype(np.float32) / 255, photometric="minisblack", byteorder=">"),
        "rgb.bmp": _encoded(rgb, "BMP"),
        "palette.bmp": _encoded(Image.fromarray(gray).convert("P"), "BMP"),
        "gray.gif": _encoded(gray, "GIF"),
        "plain.dcm": _dicom(deep, ExplicitVRLittleEndian),
        "implicit.dcm": _dicom(deep, ImplicitVRLittleEndian),
        "colour.dcm": _dicom(rgb, ExplicitVRLittleEndian),
        "jpeg.dcm": _dicom(gray, JPEGBaseline8Bit, imagecodecs.jpeg8_encode(gray)),
        "jpegls.dcm": _dicom(deep, JPEGLSLossless, imagecodecs.jpegls_encode(deep)),
        "jpeg2000.dcm": _dicom(deep, JPEG2000Lossless, imagecodecs.jpeg2k_encode(deep, codecformat="j2k")),
        "rle.dcm": _dicom(gray, RLELossless, _rle(gray)),
    }


def _encoded(image: Image.Image | np.ndarray, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, kind, **options)
    return stream.getvalue()


def _tiff(values: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **options)
    return stream.getvalue()


def _rle(gray: np.ndarray) -> bytes:
    segment = b"".join(imagecodecs.packbits_encode(row.tobytes()) for row in gray)
    return struct.pack("<16I", 1, 64, *[0] * 14) + segment


def _dicom(values: np.ndarray, syntax: UID, frame: bytes = b"") -> bytes:
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = DigitalXRayImageStorageForPresentation, "1.2.3.4"
    made.Modality, made.ViewPosition, made.PatientID, made.PatientAge = "DX", "PA", "4711", "050Y"
    made.Rows, made.Columns = values.shape[:2]
    made.SamplesPerPixel, made.PixelRepresentation = (3 if values.ndim == 3 else 1), 0
    made.PhotometricInterpretation = "RGB" if values.ndim == 3 else "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 8 * values.itemsize
    made.HighBit, made.WindowCenter, made.WindowWidth = made.BitsStored - 1, 2048, 4096
    if values.ndim == 3:
        made.PlanarConfiguration = 0
    made.PixelData = encapsulate([frame]) if frame else values.tobytes()
    made["PixelData"].VR = "OW" if values.itemsize == 2 and not frame else "OB"
    made["PixelData"].is_undefined_length = bool(frame)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, made, enforce_file_format=True)
    return stream.getvalue()
