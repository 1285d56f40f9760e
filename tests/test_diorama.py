"""Diorama's scenes: determinism, counterfactual pairs that differ only where they should, captions that are true."""

import hashlib
import itertools
import subprocess
import sys

import numpy as np
import pytest

from counterfactory.data.diorama import Scene, caption, changed, render, unusual
from counterfactory.data.diorama.captions import COLOUR_WORDS, NOUNS, SURFACE_WORDS, TIME_WORDS, WEATHER_WORDS
from counterfactory.data.diorama.render import DRAWINGS
from counterfactory.data.diorama.surfaces import GROUNDS
from counterfactory.data.diorama.world import (
    ALL_CLASSES,
    COLOURS,
    FACTORS,
    SURFACES,
    TIMES,
    WEATHERS,
    scene_from,
    written,
)
from counterfactory.errors import BadConfig

RED_DOG = Scene(kind="dog", colour="red", surface="grass", seed=11)
ORANGE_CUP = Scene(kind="cup", colour="orange", surface="water", weather="rain", time="night", seed=5)
PROBE = """
import hashlib
from counterfactory.data.diorama.render import render
from counterfactory.data.diorama.world import scene_from
image, mask = render(scene_from({text!r}))
print(hashlib.sha256(image.tobytes() + mask.tobytes()).hexdigest())
"""


def pixels(scene, size=64):
    image, mask = render(scene, size)
    return np.asarray(image).astype(int), mask > 0


def near(mask, reach=3):
    """The mask and what lies around it: the thing's soft edge."""
    wide = mask.copy()
    for down, right in itertools.product(range(-reach, reach + 1), repeat=2):
        wide |= np.roll(mask, (down, right), (0, 1))
    return wide


def test_every_class_and_surface_and_weather_can_be_drawn():
    assert set(DRAWINGS) == set(ALL_CLASSES)
    assert {*GROUNDS, "room"} == set(SURFACES)
    for seed, (kind, surface) in enumerate(itertools.product(ALL_CLASSES, SURFACES)):
        weather = "clear" if surface == "room" else WEATHERS[seed % 4]
        scene = Scene(kind=kind, colour="blue", surface=surface, weather=weather, time=TIMES[seed % 3], seed=seed)
        image, mask = render(scene)
        assert (image.mode, image.size) == ("RGB", (64, 64))
        assert (mask.shape, mask.dtype, set(np.unique(mask))) == ((64, 64), np.uint8, {0, 255})


@pytest.mark.parametrize("scene", [RED_DOG, ORANGE_CUP])
def test_another_process_draws_the_same_bytes(scene):
    image, mask = render(scene)
    here = hashlib.sha256(image.tobytes() + mask.tobytes()).hexdigest()
    there = subprocess.run(
        [sys.executable, "-c", PROBE.format(text=written(scene))], capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == here


def test_a_scene_is_written_and_read_back():
    assert scene_from(written(ORANGE_CUP)) == ORANGE_CUP


@pytest.mark.parametrize("factor", ["colour", "surface", "weather", "time"])
def test_no_factor_but_the_class_moves_the_thing(factor):
    for value in FACTORS[factor]:
        assert (pixels(changed(RED_DOG, **{factor: value}))[1] == pixels(RED_DOG)[1]).all()


@pytest.mark.parametrize("scene", [RED_DOG, ORANGE_CUP, changed(RED_DOG, surface="room", time="night")])
def test_another_colour_leaves_every_background_pixel_as_it_was(scene):
    before, mask = pixels(scene)
    for colour in COLOURS:
        after, _ = pixels(changed(scene, colour=colour))
        assert (after[~near(mask, 1)] == before[~near(mask, 1)]).all()
        assert colour == scene.colour or np.abs(after - before)[mask].mean() > 8


def test_another_class_leaves_the_sky_as_it_was():
    before, dog = pixels(RED_DOG)
    after, mill = pixels(changed(RED_DOG, kind="windmill"))
    sky = ~near(dog | mill)
    sky[18:] = False
    assert sky.sum() > 400
    assert (after[sky] == before[sky]).all()


def test_another_surface_leaves_the_sky_and_the_thing_as_they_were():
    before, mask = pixels(RED_DOG)
    for surface in ("road", "sand", "water", "snowfield"):
        after, _ = pixels(changed(RED_DOG, surface=surface))
        assert (after[:12] == before[:12]).all()
        inner = mask & ~near(~mask, 2)
        assert (after[inner] == before[inner]).all()
        assert np.abs(after - before)[~near(mask)].mean() > 8


@pytest.mark.parametrize(
    ("factor", "value"), [("weather", "fog"), ("weather", "snow"), ("time", "dusk"), ("time", "night")]
)
def test_weather_and_time_change_the_whole_picture(factor, value):
    before, _ = pixels(RED_DOG)
    after, _ = pixels(changed(RED_DOG, **{factor: value}))
    assert (np.abs(after - before).max(axis=2) > 3).mean() > 0.6


def test_a_black_thing_shows_at_night_and_a_white_one_on_snow():
    for scene in (
        changed(RED_DOG, colour="black", time="night"),
        changed(RED_DOG, colour="white", surface="snowfield"),
    ):
        for kind in ALL_CLASSES:
            picture, mask = pixels(changed(scene, kind=kind))
            ring = near(mask, 1) & ~mask
            assert np.abs(picture[ring].mean(axis=0) - picture[mask].mean(axis=0)).max() > 12, kind


def test_the_thing_is_in_the_frame_and_neither_tiny_nor_huge():
    for seed, kind in itertools.product(range(12), ALL_CLASSES):
        _, mask = pixels(changed(RED_DOG, kind=kind, seed=seed))
        assert 120 < mask.sum() < 64 * 64 * 0.6, kind
        assert mask[0].sum() + mask[-1].sum() == 0, kind


def test_another_size_shows_the_same_scene():
    small, large = render(RED_DOG, 64), render(RED_DOG, 128)
    shrunk = np.asarray(large[0].reduce(2)).astype(int)
    assert np.abs(shrunk - np.asarray(small[0]).astype(int)).mean() < 12
    assert ((large[1][::2, ::2] > 0) == (small[1] > 0)).mean() > 0.97


def test_a_scene_that_moves_into_a_room_leaves_its_weather_outside():
    assert changed(ORANGE_CUP, surface="room").weather == "clear"


def test_weather_in_a_room_is_refused():
    with pytest.raises(BadConfig, match="weather='rain' is not seen in a room"):
        changed(ORANGE_CUP, surface="room", weather="rain")


def test_an_unknown_value_or_factor_is_refused_with_the_nearest_one():
    with pytest.raises(BadConfig, match="Did you mean 'red'"):
        changed(RED_DOG, colour="redd")
    with pytest.raises(BadConfig, match="Did you mean 'weather'"):
        changed(RED_DOG, wether="rain")
    with pytest.raises(BadConfig, match="seed=-1"):
        changed(RED_DOG, seed=-1)


def test_what_is_unusual_is_said_factor_by_factor():
    assert unusual(RED_DOG) == unusual(changed(RED_DOG, time="dusk")) == ""
    assert unusual(changed(RED_DOG, time="night")) == "time"
    assert unusual(ORANGE_CUP) == "surface+weather+time"


def test_the_plain_caption_says_every_factor():
    assert caption(ORANGE_CUP) == "an orange cup on water in the rain at night"
    assert caption(changed(RED_DOG, surface="room")) == "a red dog in a room by day"


def test_a_scene_has_many_captions_and_each_number_has_one():
    assert len({caption(RED_DOG, n) for n in range(200)}) >= 100
    assert [caption(RED_DOG, n) for n in range(9)] == [caption(RED_DOG, n) for n in range(9)]


def test_captions_say_nothing_that_is_not_so():
    words = {
        "kind": NOUNS,
        "colour": COLOUR_WORDS,
        "surface": SURFACE_WORDS,
        "weather": WEATHER_WORDS,
        "time": TIME_WORDS,
    }
    for scene in (RED_DOG, ORANGE_CUP, changed(ORANGE_CUP, surface="room", colour="purple", kind="plane")):
        texts = [f" {caption(scene, n)} ".replace("-coloured", "") for n in range(150)]
        for factor, phrases in words.items():
            allowed = {f" {phrase} " for phrase in phrases[getattr(scene, factor)]}
            others = {f" {phrase} " for said in phrases.values() for phrase in said} - allowed
            assert not [text for text in texts for phrase in others if phrase in text]
            assert factor in {"weather", "time"} or all(any(phrase in text for phrase in allowed) for text in texts)


def test_articles_fit_the_word_that_follows():
    for scene in (ORANGE_CUP, changed(RED_DOG, kind="plane"), changed(RED_DOG, kind="car")):
        for words in (caption(scene, n).split() for n in range(80)):
            for article, word in itertools.pairwise(words):
                assert article not in {"a", "an"} or (article == "an") == (word[0] in "aeiou"), words
