"""DICOM files that give no radiograph are refused in one line, before they cost memory and without noise."""

import contextlib
import io
import struct
import tracemalloc
import zlib

import imagecodecs
import numpy as np
import pytest
from dicom_files import bare, compressed, dataset, dicom, exposure, jpeg, written
from PIL import Image
from pydicom import uid

from cxr.errors import UnreadableImage
from cxr.imaging.formats.file_type import HEAD_BYTES, is_dicom, looks_like_image
from cxr.imaging.reader import read_radiograph

EIGHT = exposure(8)
DEEP = exposure(12)
GOOD = dicom(DEEP, 12)


def bomb() -> bytes:
    """A deflated file of about 1 MB that unpacks to a gigabyte."""
    raw = written(dataset(EIGHT), uid.DeflatedExplicitVRLittleEndian)
    start = 144 + struct.unpack_from("<I", raw, 140)[0]
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = deflate.compress(bytes(1 << 24)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return raw[:start] + 64 * block + deflate.flush()


def report() -> bytes:
    made = dataset(EIGHT, PixelData=None, Rows=None, Columns=None, SOPClassUID=uid.BasicTextSRStorage, Modality="SR")
    return written(made)


REFUSED = {
    "no pixels": (lambda: dicom(EIGHT, PixelData=None), "is DICOM without an image"),
    "empty pixels": (lambda: dicom(EIGHT, PixelData=b""), "is DICOM without an image"),
    "a report": (report, "is DICOM without an image"),
    "nothing after the magic": (lambda: bytes(128) + b"DICM", "is DICOM without an image"),
    "several frames": (lambda: dicom(EIGHT, NumberOfFrames=2), "contains several frames"),
    "fewer pixels than announced": (lambda: dicom(EIGHT, Rows=EIGHT.shape[0] + 1), "is damaged or cut off"),
    "more than 100 megapixels": (lambda: dicom(EIGHT, Rows=20_000, Columns=20_000), "megapixels"),
    "12 bits allocated": (lambda: dicom(EIGHT, BitsAllocated=12), "is damaged or cut off"),
    "unknown colours": (lambda: dicom(EIGHT, PhotometricInterpretation="SEPIA"), "is damaged or cut off"),
    "a deflate bomb": (bomb, "megapixels"),
    "compressed without a transfer syntax": (
        lambda: bare(compressed_set()),
        "does not say how its image is stored",
    ),
}


def compressed_set():
    made = dataset(EIGHT)
    compressed(made, uid.JPEGBaseline8Bit, jpeg(EIGHT))
    del made.file_meta
    return made


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_reason(name, tmp_path, capfd, recwarn):
    make, reason = REFUSED[name]
    path = tmp_path / "IM0001"
    path.write_bytes(make())
    recwarn.clear()
    with pytest.raises(UnreadableImage, match=reason) as caught:
        read_radiograph(path)
    assert str(caught.value) == f"{path} {caught.value.reason}"
    assert looks_like_image(path.read_bytes()[:HEAD_BYTES])
    assert is_dicom(path)
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian])
def test_cut_off_files_are_refused(share, syntax, capfd, recwarn):
    raw = written(dataset(DEEP, 12), syntax)
    recwarn.clear()
    with pytest.raises(UnreadableImage):
        read_radiograph(raw[: int(len(raw) * share)])
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


def test_a_frame_larger_than_the_header_says_takes_no_memory():
    huge = jpeg(np.zeros((8000, 8000), np.uint8))
    raw = compressed(dataset(EIGHT), uid.JPEGBaseline8Bit, huge)
    tracemalloc.start()
    with pytest.raises(UnreadableImage, match="damaged"):
        read_radiograph(raw)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_a_poor_header_makes_no_noise(capfd, recwarn):
    raw = dicom(DEEP, 12).replace(b"20200324", b"yesterda").replace(b"1.2.826.0.1", b"0.02.826.01")
    recwarn.clear()
    assert np.array_equal(read_radiograph(raw).pixels, read_radiograph(GOOD).pixels)
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


def test_random_damage_never_escapes_as_another_error(capfd):
    rng = np.random.default_rng(0)
    lossless = jpeg(DEEP, lossless=True, bitspersample=12)
    frames = {
        uid.JPEGLosslessSV1: lossless,
        uid.JPEGExtended12Bit: jpeg(DEEP, bitspersample=12),
        uid.JPEG2000Lossless: imagecodecs.jpeg2k_encode(DEEP, level=0, codecformat="j2k"),
    }
    files = [GOOD, bare(dataset(DEEP, 12)), *(compressed(dataset(DEEP, 12), *pair) for pair in frames.items())]
    for raw in files:
        for _ in range(40):
            damaged = np.frombuffer(raw, np.uint8).copy()
            damaged[rng.integers(0, min(len(raw), 3000), 8)] = rng.integers(0, 256, 8)
            with contextlib.suppress(UnreadableImage):
                assert read_radiograph(damaged.tobytes()).pixels.ndim == 2
    assert capfd.readouterr() == ("", "")


def test_only_dicom_is_taken_for_dicom(tmp_path):

    stream = io.BytesIO()
    Image.fromarray(EIGHT).save(stream, "PNG")
    others = [
        stream.getvalue(),
        b"\x08\x00" + bytes(300),
        b"\x02\x00 some text",
        bytes(300),
        b"",
        b"\x08\x00\x05\x00CS",
    ]
    assert not any(map(is_dicom, others))
    with pytest.raises(UnreadableImage, match=r"is not an image we can read .* or DICOM"):
        read_radiograph(b"\x08\x00 hello")
    assert all(is_dicom(raw) for raw in (GOOD, bare(dataset(EIGHT)), bare(dataset(EIGHT), implicit=True)))


@pytest.mark.parametrize("keyword", ["WindowCenter", "RescaleSlope", "PatientAge", "StudyDate", "ViewPosition"])
def test_a_broken_attribute_is_ignored(keyword):
    mark = b"7654321 "
    raw = dicom(
        DEEP, 12, WindowWidth=100, **{keyword: "7654321" if keyword in ("WindowCenter", "RescaleSlope") else "7654321 "}
    )
    raw = raw.replace(mark, b"a\\b\xff\xfe???")
    assert np.array_equal(read_radiograph(raw, patient_key=bytes(32)).pixels, read_radiograph(GOOD).pixels)


def test_the_hash_is_of_the_pixels():
    first, other = dicom(DEEP, 12), dicom(DEEP, 12, PatientName="Other^Name", PatientID="2")
    assert first != other
    assert read_radiograph(first).sha256 == read_radiograph(other).sha256
    changed = DEEP.copy()
    changed[5, 5] ^= 1
    negative = dicom(DEEP, 12, PhotometricInterpretation="MONOCHROME1")
    assert len({read_radiograph(raw).sha256 for raw in (first, dicom(changed, 12), negative, dicom(DEEP.T, 12))}) == 4


def test_short_side():
    assert min(read_radiograph(dicom(DEEP, 12), short_side=40).pixels.shape) == 40
