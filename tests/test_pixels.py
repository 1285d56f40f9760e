"""Any image becomes upright 8-bit RGB."""

import io

import numpy as np
import pytest
from PIL import Image

from counterfactory import keys
from counterfactory.blobs import Blobs
from counterfactory.errors import BadData
from counterfactory.pixels import Pixels, to_rgb
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
    import zlib

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
