"""Stored DICOM pixels: the same from every supported transfer syntax, without unused bits; others are refused."""

import io
import struct
import tracemalloc

import imagecodecs
import numpy as np
import pytest
from dicom_files import SHAPE, bare, compressed, dataset, dicom, exposure, jpeg, written
from PIL import Image
from pydicom import uid
from pydicom.encaps import generate_frames

from cxr.errors import UnreadableImage
from cxr.imaging import radiograph
from cxr.imaging.limits import TOO_MANY_SCANS
from cxr.imaging.reader import read_radiograph

DEEP = exposure(12)
EIGHT = exposure(8)
SIGNED = DEEP.astype(np.int16) - 2048
COLOUR = np.dstack([exposure(8, seed) for seed in range(3)])
FULL = {"WindowCenter": 2048, "WindowWidth": 4096}


def png(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def jpeg_2000(values: np.ndarray, kind: str = "j2k", **options: object) -> bytes:
    return imagecodecs.jpeg2k_encode(values, **({"level": 0, "codecformat": kind} | options))


LOSSLESS = {
    "JPEG lossless, any process 14": (uid.JPEGLossless, DEEP, 12, jpeg(DEEP, lossless=True, bitspersample=12)),
    "JPEG lossless SV1": (uid.JPEGLosslessSV1, DEEP, 12, jpeg(DEEP, lossless=True, bitspersample=12, predictor=1)),
    "JPEG lossless predictor 6": (uid.JPEGLossless, DEEP, 12, jpeg(DEEP, lossless=True, bitspersample=12, predictor=6)),
    "JPEG lossless of 16 bits": (uid.JPEGLosslessSV1, DEEP * 16, 16, jpeg(DEEP * 16, lossless=True, bitspersample=16)),
    "JPEG lossless of 8 bits": (uid.JPEGLosslessSV1, EIGHT, 8, jpeg(EIGHT, lossless=True)),
    "JPEG-LS": (uid.JPEGLSLossless, DEEP, 12, imagecodecs.jpegls_encode(DEEP)),
    "JPEG-LS of 8 bits": (uid.JPEGLSLossless, EIGHT, 8, imagecodecs.jpegls_encode(EIGHT)),
    "JPEG 2000": (uid.JPEG2000Lossless, DEEP, 12, jpeg_2000(DEEP, bitspersample=12)),
    "JPEG 2000 of 16 bits": (uid.JPEG2000Lossless, DEEP, 12, jpeg_2000(DEEP)),
    "JPEG 2000 of 8 bits": (uid.JPEG2000Lossless, EIGHT, 8, jpeg_2000(EIGHT)),
    "JPEG 2000 with signs": (uid.JPEG2000Lossless, SIGNED, 16, jpeg_2000(SIGNED)),
    "JPEG 2000 wrapped as JP2": (uid.JPEG2000Lossless, DEEP, 12, jpeg_2000(DEEP, "jp2")),
    "JPEG 2000 called lossy": (uid.JPEG2000, DEEP, 12, jpeg_2000(DEEP, bitspersample=12)),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_syntaxes_give_the_same_pixels(name):
    syntax, values, bits, frame = LOSSLESS[name]
    radiograph = read_radiograph(compressed(dataset(values, bits), syntax, frame))
    expected = read_radiograph(dicom(values, bits))
    assert np.array_equal(radiograph.pixels, expected.pixels)
    assert radiograph.sha256 == expected.sha256


def test_high_throughput_jpeg_2000():
    frame = imagecodecs.htj2k_encode(DEEP, reversible=True)
    assert np.array_equal(
        read_radiograph(compressed(dataset(DEEP, 12), uid.HTJ2KLossless, frame)).pixels,
        read_radiograph(dicom(DEEP)).pixels,
    )


@pytest.mark.parametrize("values", [EIGHT, DEEP, SIGNED, COLOUR], ids=["8 bits", "12 bits", "signed", "colour"])
def test_rle(values):
    made = dataset(values)
    made.ensure_file_meta()
    made.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    made.compress(uid.RLELossless)
    assert np.array_equal(read_radiograph(written(made, uid.RLELossless)).pixels, read_radiograph(dicom(values)).pixels)


LOSSY = {
    "JPEG baseline": (uid.JPEGBaseline8Bit, EIGHT, 8, jpeg(EIGHT)),
    "JPEG extended of 8 bits": (uid.JPEGExtended12Bit, EIGHT, 8, jpeg(EIGHT)),
    "JPEG extended of 12 bits": (uid.JPEGExtended12Bit, DEEP, 12, jpeg(DEEP, bitspersample=12)),
    "JPEG-LS near lossless": (uid.JPEGLSNearLossless, DEEP, 12, imagecodecs.jpegls_encode(DEEP, level=8)),
    "JPEG 2000": (uid.JPEG2000, DEEP, 12, jpeg_2000(DEEP, level=75, reversible=False)),
}


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_syntaxes_come_close(name):
    syntax, values, bits, frame = LOSSY[name]
    window = FULL if bits == 12 else {}
    pixels = read_radiograph(compressed(dataset(values, bits, **window), syntax, frame)).pixels.astype(int)
    assert np.abs(pixels - read_radiograph(dicom(values, bits, **window)).pixels).max() <= 4


def test_a_near_lossless_image_stays_within_its_bound():
    radiograph = read_radiograph(
        compressed(dataset(EIGHT, 8), uid.JPEGLSNearLossless, imagecodecs.jpegls_encode(EIGHT, level=3))
    )
    assert 0 < np.abs(radiograph.pixels.astype(int) - EIGHT).max() <= 3


def test_what_lossy_coding_overshoots_is_clipped():
    values = np.where(DEEP > 2048, 1023, 0).astype(np.uint16)
    frame = imagecodecs.jpegls_encode(values + (values == 1023) * np.uint16(1))  # 1024 needs an eleventh bit
    made = dataset(values, 10, WindowCenter=512, WindowWidth=1024)
    pixels = read_radiograph(compressed(made, uid.JPEGLSNearLossless, frame)).pixels
    assert np.array_equal(pixels, np.where(DEEP > 2048, 255, 0))


def test_an_rle_segment_that_expands_beyond_its_frame_takes_no_memory():
    segment = b"\x81\0" * 400_000
    made = dataset(np.zeros((8, 8), np.uint8))
    raw = compressed(made, uid.RLELossless, struct.pack("<16I", 1, 64, *[0] * 14) + segment)
    with pytest.raises(UnreadableImage, match="more pixels in its RLE segments"):
        read_radiograph(raw)
    tracemalloc.start()
    with pytest.raises(UnreadableImage):
        radiograph.decode(raw)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_jpeg_of_very_many_scans_says_so():
    frame = jpeg(EIGHT)
    start, end = frame.index(b"\xff\xda"), frame.rindex(b"\xff\xd9")
    many = frame[:end] + 300 * frame[start:end] + frame[end:]
    with pytest.raises(UnreadableImage, match=TOO_MANY_SCANS):
        read_radiograph(compressed(dataset(EIGHT), uid.JPEGBaseline8Bit, many))


@pytest.mark.parametrize("cut", [3, 40])
def test_an_rle_segment_that_ends_early_is_refused(cut):
    made = dataset(EIGHT)
    made.ensure_file_meta()
    made.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    made.compress(uid.RLELossless)
    frame = next(generate_frames(made.PixelData, number_of_frames=1))
    with pytest.raises(UnreadableImage, match="damaged"):
        read_radiograph(compressed(dataset(EIGHT), uid.RLELossless, frame[:-cut]))


def test_baseline_jpeg_is_decoded_as_pillow_does():
    frame = jpeg(EIGHT, level=70)
    assert np.array_equal(
        read_radiograph(compressed(dataset(EIGHT), uid.JPEGBaseline8Bit, frame)).pixels, read_radiograph(frame).pixels
    )


@pytest.mark.parametrize("photometric", ["YBR_FULL_422", "RGB"])
def test_coloured_jpeg(photometric):
    options = {"colorspace": "RGB", "outcolorspace": "YCBCR" if photometric != "RGB" else "RGB"}
    made = dataset(COLOUR, PhotometricInterpretation=photometric)
    pixels = read_radiograph(compressed(made, uid.JPEGBaseline8Bit, jpeg(COLOUR, **options))).pixels.astype(int)
    assert np.abs(pixels - np.asarray(Image.fromarray(COLOUR).convert("L"))).max() <= 6


def test_coloured_jpeg_2000():
    made = dataset(COLOUR, PhotometricInterpretation="YBR_RCT")
    frame = jpeg_2000(COLOUR, colorspace="RGB", mct=True)
    pixels = read_radiograph(compressed(made, uid.JPEG2000Lossless, frame)).pixels
    assert np.array_equal(pixels, np.asarray(Image.fromarray(COLOUR).convert("L")))


def test_a_frame_in_several_fragments():
    made = dataset(DEEP, 12)
    from pydicom.encaps import encapsulate

    made.PixelData = encapsulate([imagecodecs.jpegls_encode(DEEP)], fragments_per_frame=3)
    made["PixelData"].is_undefined_length = True
    assert np.array_equal(
        read_radiograph(written(made, uid.JPEGLSLossless)).pixels, read_radiograph(dicom(DEEP, 12)).pixels
    )


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        (uid.MPEG2MPML, "MPEG2 Main Profile / Main Level"),
        (uid.UID("1.2.840.10008.1.2.4.94"), "JPIP Referenced"),
        (uid.UID("1.2.840.10008.1.2.4.64"), "JPEG"),
        (uid.UID("1.2.840.113619.5.2"), "1.2.840.113619.5.2"),
        (uid.UID("1.3.46.670589.33.1.4.1"), "1.3.46.670589.33.1.4.1"),
    ],
)
def test_an_unsupported_syntax_is_refused_by_its_name(syntax, name):
    with pytest.raises(UnreadableImage, match=f"is DICOM compressed as .*{name}"):
        read_radiograph(compressed(dataset(EIGHT), syntax, b"\0" * 64))


@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_cut_off_frames_are_refused(name, share, capfd):
    syntax, values, bits, frame = (LOSSLESS | LOSSY)[name]
    with pytest.raises(UnreadableImage, match="damaged or cut off"):
        read_radiograph(compressed(dataset(values, bits), syntax, frame[: int(len(frame) * share) // 2 * 2]))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
def test_a_frame_of_another_shape_than_the_header_is_refused(name):
    syntax, values, bits, frame = (LOSSLESS | LOSSY)[name]
    with pytest.raises(UnreadableImage, match="damaged"):
        read_radiograph(compressed(dataset(values, bits, Rows=SHAPE[0] // 2), syntax, frame))


def test_unused_bits_hold_no_pixel():
    dirty = DEEP | np.uint16(0xA000)
    assert np.array_equal(read_radiograph(dicom(dirty, 12)).pixels, read_radiograph(png(DEEP)).pixels)
    signed = (DEEP.astype(np.int16) - 2048) & 0x0FFF
    assert np.array_equal(read_radiograph(dicom(signed.astype(np.int16), 12)).pixels, read_radiograph(png(DEEP)).pixels)


def test_high_bit_above_the_stored_ones():
    high = (DEEP << 4) | np.uint16(0x5)
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    expected = read_radiograph(dicom(DEEP, 12, **window)).pixels
    assert np.array_equal(read_radiograph(dicom(high, 12, HighBit=15, **window)).pixels, expected)


@pytest.mark.parametrize("values", [DEEP, EIGHT, DEEP.astype(np.int16) - 2048])
def test_every_uncompressed_syntax_gives_the_same_image(values):
    expected = read_radiograph(dicom(values))
    for syntax in (uid.ImplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian):
        radiograph = read_radiograph(written(dataset(values), syntax))
        assert np.array_equal(radiograph.pixels, expected.pixels)
        assert radiograph.sha256 == expected.sha256


def test_big_endian():
    made = dataset(DEEP, 12)
    made.PixelData = DEEP.astype(">u2").tobytes()
    radiograph = read_radiograph(written(made, uid.ExplicitVRBigEndian))
    assert np.array_equal(radiograph.pixels, read_radiograph(png(DEEP)).pixels)
    assert radiograph.sha256 == read_radiograph(dicom(DEEP, 12)).sha256


@pytest.mark.parametrize("preamble", [b"", bytes(128) + b"DICM"], ids=["nothing", "preamble"])
@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("little", [True, False])
def test_a_data_set_without_meta_header(preamble, implicit, little):
    made = dataset(DEEP, 12)
    made.PixelData = DEEP.astype("<u2" if little else ">u2").tobytes()
    radiograph = read_radiograph(preamble + bare(made, implicit, little))
    assert np.array_equal(radiograph.pixels, read_radiograph(png(DEEP)).pixels)
    assert (radiograph.header.view, radiograph.sha256) == ("PA", read_radiograph(dicom(DEEP, 12)).sha256)


def test_implicit_big_endian_with_the_private_syntax_of_old_scanners():
    made = dataset(DEEP, 12)
    made.PixelData = DEEP.astype(">u2").tobytes()
    file = written(dataset(DEEP, 12), "1.2.840.113619.5.2")
    head = file[: file.index(b"\x08\0\x16\0")]
    pixels = read_radiograph(head + bare(made, implicit=True, little=False)).pixels
    assert np.array_equal(pixels, read_radiograph(png(DEEP)).pixels)


def test_missing_attributes_get_defaults():
    gone = dict.fromkeys(("PixelRepresentation", "BitsStored", "HighBit", "PhotometricInterpretation"))
    assert np.array_equal(read_radiograph(dicom(EIGHT, **gone)).pixels, EIGHT)


IMPORT_ONLY = """
import logging
import cxr.imaging.dicom.reader
import cxr.imaging.reader
from pydicom.pixels import get_decoder
from pydicom.uid import JPEGLSLossless
print("cxr-imagecodecs" in get_decoder(JPEGLSLossless).available_plugins)
print(logging.getLogger("pydicom").isEnabledFor(logging.WARNING))
"""


def test_importing_changes_nothing_in_pydicom(run_cli):
    done = run_cli(["-c", IMPORT_ONLY])
    assert done.stdout.split() == ["False", "True"], done.stderr


FIRST_USE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from cxr.imaging.radiograph import decode
raw = sys.stdin.buffer.read()
with ThreadPoolExecutor(16) as pool:
    print(len({read.sha256 for read in pool.map(decode, [raw] * 64)}))
"""


def test_threads_may_share_the_first_use(run_cli):
    raw = compressed(dataset(DEEP, 12), uid.JPEGLSLossless, imagecodecs.jpegls_encode(DEEP))
    done = run_cli(["-c", FIRST_USE], input=raw, text=False)
    assert done.stdout.split() == [b"1"], done.stderr
