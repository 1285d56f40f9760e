"""Paints a room: a wall with a window onto the hour outside, a floor in perspective, and at night a lamp."""

import numpy as np

from counterfactory.data.diorama.setting import Array, Setting, mix, smooth, stream, tone

WALLS = (tone(216, 200, 176), tone(180, 198, 208), tone(208, 208, 198), tone(200, 178, 178), tone(176, 192, 168))
FLOORS = (tone(150, 106, 70), tone(122, 90, 66), tone(176, 142, 104), tone(132, 130, 134))
FRAME = tone(240, 237, 230)
LAMPLIGHT = tone(110, 84, 36)
SUNSET = tone(120, 52, 8)


def room(setting: Setting, seed: int) -> Array:
    """The whole room in its hour's light."""
    walls = _walls(setting, stream(seed, "walls")) * setting.hour.indoors
    window = _window_place(setting, stream(seed, "window"))
    picture = _with_window(walls, setting, window)
    if setting.hour.low_sun:
        return _with_sunbeam(picture, setting, window)
    return _with_lamp(picture, setting, stream(seed, "lamp")) if setting.hour.dark else picture


def _walls(setting: Setting, random: np.random.Generator) -> Array:
    """Wall paper, skirting board and floor boards, unlit."""
    wall = WALLS[random.integers(len(WALLS))] * np.float32(random.uniform(0.94, 1.05))
    wall = wall + smooth(random, 4, 4, setting.size, 14)
    stripe = random.uniform(3, 6)
    if random.random() < 0.5:
        wall = wall * (1 - 0.06 * (np.floor(setting.x / stripe) % 2))[..., None]
    y, foot = setting.y, floor_line(setting)
    near = np.clip((y - foot + 2) / (66 - foot), 0.02, 1)
    boards = np.floor((setting.x - 32) / (near + 0.35) * 0.12 + 100) % 2
    floor = FLOORS[random.integers(len(FLOORS))] * (0.85 + 0.15 * boards)[..., None]
    floor = floor + smooth(random, 24, 6, setting.size, 20)
    picture = np.where((y >= foot)[..., None], floor, wall)
    return np.where(((y >= foot - 1.8) & (y < foot))[..., None], FRAME * np.float32(0.93), picture).astype(np.float32)


def floor_line(setting: Setting) -> float:
    """Where the wall meets the floor: lower than a horizon, since a room is near."""
    return setting.view.horizon + 8


def _window_place(setting: Setting, random: np.random.Generator) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the window, on the side that the thing leaves free."""
    wide, high, top = random.uniform(14, 18), random.uniform(13, 17), random.uniform(2, 5)
    margin = random.uniform(2, 5)
    left = margin if setting.view.centre > 32 else 64 - margin - wide
    return left, top, left + wide, top + high


def _with_window(picture: Array, setting: Setting, place: tuple[float, float, float, float]) -> Array:
    left, top, right, bottom = place
    x, y, hour = setting.x, setting.y, setting.hour
    frame = (x > left - 1.5) & (x < right + 1.5) & (y > top - 1.5) & (y < bottom + 1.5)
    pane = (x > left) & (x < right) & (y > top) & (y < bottom)
    pane &= (np.abs(x - (left + right) / 2) > 0.6) & (np.abs(y - (top + bottom) / 2) > 0.6)
    outside = mix(hour.zenith, hour.skyline, np.clip((y - top) / (bottom - top), 0, 1)[..., None])
    picture = np.where(frame[..., None], FRAME * (hour.indoors * 0.75 + 0.25), picture)
    return np.where(pane[..., None], outside, picture)


def _with_sunbeam(picture: Array, setting: Setting, place: tuple[float, float, float, float]) -> Array:
    """The low sun throws the window onto the floor, drawn out towards the middle."""
    left, _, right, _ = place
    foot = floor_line(setting)
    lean = (32 - (left + right) / 2) * 0.8 * (setting.y - foot) / (64 - foot)
    inside = (setting.x > left + lean) & (setting.x < right + lean) & (setting.y > foot + 2) & (setting.y < foot + 18)
    return picture + inside[..., None] * SUNSET


def _with_lamp(picture: Array, setting: Setting, random: np.random.Generator) -> Array:
    """A lamp hangs from the ceiling in a pool of warm light."""
    x, drop = setting.view.centre + random.uniform(-4, 4), random.uniform(4, 7)
    away = np.hypot(setting.x - x, setting.y - drop - 1)[..., None]
    picture = picture + LAMPLIGHT * np.exp(-((away / 30) ** 2))
    cord = (np.abs(setting.x - x) < 0.6) & (setting.y < drop)
    shade = (np.abs(setting.x - x) < 1 + (setting.y - drop + 2) * 0.9) & (np.abs(setting.y - drop) < 2)
    bulb = (np.abs(setting.x - x) < 2.4) & (np.abs(setting.y - drop - 2.5) < 0.8)
    picture = np.where((cord | shade)[..., None], tone(64, 52, 46), picture)
    return np.where(bulb[..., None], tone(255, 242, 190), picture)
