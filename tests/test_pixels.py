"""Any image becomes upright 8-bit RGB."""

import io
import warnings
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image, ImageOps

from counterfactory import keys
from counterfactory.blobs import Blobs
from counterfactory.data.check import look
from counterfactory.errors import BadData
from counterfactory.pixels import Pixels, _open, to_rgb
from counterfactory.types import Address


def written(path, image, **options):
    image.save(path, **options)
    return Address(keys.digest(path.read_bytes()), f"file:{path}")


def test_an_exif_orientation_is_applied(tmp_path):
    image = Image.new("RGB", (4, 2), "white")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    assert Pixels().image(written(tmp_path / "a.jpg", image, exif=exif)).size == (2, 4)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "YCbCr", "HSV", "I;16", "I", "F"])
def test_every_mode_becomes_rgb(mode):
    image = Image.new("L", (3, 2), 255).convert(mode) if mode not in {"I;16", "LA", "HSV"} else Image.new(mode, (3, 2))
    assert to_rgb(image).mode == "RGB"


def test_sixteen_bits_become_eight_over_the_whole_range(tmp_path):
    values = np.array([[0, 32768, 65535]], np.uint16)
    found = np.asarray(Pixels().image(written(tmp_path / "deep.png", Image.fromarray(values))))
    assert found[0, :, 0].tolist() == [0, 128, 255]


def test_a_hole_in_measured_values_is_black_and_the_rest_stays(tmp_path):
    values = np.array([[0, 0.5, 1, np.nan, np.inf]], np.float32)
    found = np.asarray(Pixels().image(written(tmp_path / "deep.tiff", Image.fromarray(values))))
    assert found[0, :, 0].tolist() == [0, 128, 255, 0, 255]


def test_the_reason_of_a_broken_image_is_the_same_in_every_run(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    assert look(Pixels(), Address("", f"file:{tmp_path}/a.png")).reason.endswith("(its format is not recognised).")


def test_transparency_is_laid_on_white():
    clear = Image.new("RGBA", (1, 1), (0, 0, 0, 0))
    assert to_rgb(clear).getpixel((0, 0)) == (255, 255, 255)


def test_a_palette_with_transparency_is_looked_up():
    image = Image.new("P", (1, 1), 1)
    image.putpalette([0, 0, 0, 200, 10, 20])
    image.info["transparency"] = 0
    assert to_rgb(image).getpixel((0, 0)) == (200, 10, 20)


def test_a_mask_keeps_its_numbers(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putpixel((1, 0), 1)
    assert Pixels().mask(written(tmp_path / "m.png", image)).tolist() == [[0, 1]]


def test_a_truncated_jpeg_is_named(tmp_path):
    stream = io.BytesIO()
    Image.effect_noise((64, 64), 90).convert("RGB").save(stream, "JPEG")
    (tmp_path / "half.jpg").write_bytes(stream.getvalue()[:600])
    with pytest.raises(BadData, match=r"half\.jpg.*cannot be decoded"):
        Pixels().image(Address("x", f"file:{tmp_path / 'half.jpg'}"))


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    import struct

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(png)
    with pytest.raises(BadData, match=r"bomb\.png"):
        Pixels().image(Address("x", f"file:{tmp_path / 'bomb.png'}"))


def test_a_blob_that_is_gone_says_so(tmp_path):
    with pytest.raises(BadData, match="not in this workspace any more"):
        Pixels(Blobs(tmp_path)).image(Address("00" * 16))


def test_arrays_are_the_same_from_one_process_or_two(tmp_path):
    rng = np.random.default_rng(0)
    addresses = [
        written(tmp_path / f"{i}.png", Image.fromarray(rng.integers(0, 256, (6, 5, 3), np.uint8))) for i in range(600)
    ]
    alone, together = Pixels(processes=1).arrays(addresses, (5, 6)), Pixels(processes=2).arrays(addresses, (5, 6))
    assert alone.shape == (600, 6, 5, 3)
    np.testing.assert_array_equal(alone, together)


def test_an_unknown_place_is_named():
    with pytest.raises(BadData, match="'moon'"):
        Pixels().image(Address("x", "moon:crater"))


@pytest.mark.parametrize("form", ["png", "webp", "jpg"])
def test_an_exif_that_cannot_be_read_means_upright(tmp_path, form):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / f"a.{form}"
    Image.new("RGB", (4, 2), "white").save(path, exif=exif)
    data = path.read_bytes()
    assert b"MM\0*" in data
    data = data.replace(b"MM\0*", b"MM\xdb*")
    if form == "png":
        start = data.index(b"eXIf")
        length = int.from_bytes(data[start - 4 : start], "big")
        checksum = zlib.crc32(data[start : start + 4 + length]).to_bytes(4, "big")
        data = data[: start + 4 + length] + checksum + data[start + 8 + length :]
    path.write_bytes(data)
    address = Address(keys.digest(data), f"file:{path}")
    assert Pixels().image(address).size == (4, 2)
    assert look(Pixels(), address) == {"width": 4, "height": 2, "mode": "RGB"}


@pytest.mark.parametrize("turn", range(1, 9))
def test_every_orientation_is_turned_as_pil_would(turn):
    image = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(2, 4, 3))
    image.getexif()[0x0112] = turn
    assert np.array_equal(np.asarray(to_rgb(image)), np.asarray(ImageOps.exif_transpose(image)))


def test_a_colour_that_stands_for_nothing_is_white_whether_or_not_there_is_exif(tmp_path):
    image = Image.new("RGB", (2, 1), (9, 9, 9))
    image.putpixel((1, 0), (200, 0, 0))
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    plain = written(tmp_path / "a.png", image, transparency=(9, 9, 9))
    noted = written(tmp_path / "b.png", image, transparency=(9, 9, 9), exif=exif)
    for address in (plain, noted):
        assert [Pixels().image(address).getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (200, 0, 0)]


def test_too_many_pixels_for_us_are_refused_beside_pils_own_warning(tmp_path):
    (tmp_path / "large.pgm").write_bytes(b"P5 10000 10000 255\n")
    with pytest.warns(Image.DecompressionBombWarning), pytest.raises(BadData, match="more than 89 megapixels"):
        Pixels().image(Address("x", f"file:{tmp_path / 'large.pgm'}"))


def test_no_damaged_file_ends_in_anything_but_a_sentence():
    random = np.random.default_rng(0)
    noise = Image.fromarray(random.integers(0, 256, (24, 24, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    for form in ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP"):
        stream = io.BytesIO()
        noise.save(stream, form, **({} if form in {"GIF", "BMP"} else {"exif": exif}))
        for _ in range(150):
            data = bytearray(stream.getvalue())
            for place in random.integers(0, min(len(data), 300), 2):
                data[place] = random.integers(0, 256)
            with warnings.catch_warnings(), suppress(BadData):
                warnings.simplefilter("ignore")
                to_rgb(_open(bytes(data), "x"))
