"""Paints the grounds that a thing can stand on outdoors, in daylight; each function paints one, all of the frame."""

from collections.abc import Callable, Mapping

import numpy as np

from counterfactory.data.diorama.setting import Array, Setting, smooth, tone

VERGES = (tone(102, 132, 84), tone(150, 146, 122), tone(128, 130, 126))
FLOWERS = (tone(244, 222, 92), tone(240, 160, 196), tone(244, 244, 240))


def road(setting: Setting, random: np.random.Generator) -> Array:
    """Asphalt that narrows towards the horizon, with white edges, a dashed middle line and verges."""
    depth = setting.depth
    vanishing, half = random.uniform(18, 46), 5 + depth * random.uniform(44, 60)
    side = setting.x - vanishing - (32 - vanishing) * depth
    asphalt = _base(setting, tone(98, 98, 104), random) + smooth(random, 32, 32, setting.size, 18)
    verge = VERGES[random.integers(len(VERGES))] * (0.85 + 0.2 * depth)[..., None]
    dashes = (random.uniform(0, 1.6) + 2.2 / (depth + 0.12)) % 1.6 < 0.95
    middle = (np.abs(side) < 0.5 + 1.7 * depth) & dashes
    edges = np.abs(np.abs(side) - half * 0.9) < 0.4 + 0.9 * depth
    paved = np.where((np.abs(side) < half)[..., None], asphalt, verge)
    return np.where((middle | edges)[..., None], tone(234, 232, 216), paved)


def grass(setting: Setting, random: np.random.Generator) -> Array:
    """A green meadow with blades and some flowers."""
    ground = _base(setting, tone(86, 148, 60), random)
    ground = ground + smooth(random, 16, 20, setting.size, 40) * tone(0.8, 1, 0.5)
    ground = ground + smooth(random, 64, 48, setting.size, 44) * tone(0.6, 1, 0.4)
    count = 26
    across, down = random.integers(0, setting.size, count), random.uniform(0.12, 1, count)
    rows = setting.view.horizon + down * (64 - setting.view.horizon)
    ground[np.minimum(rows * setting.size / 64, setting.size - 1).astype(int), across] = FLOWERS[random.integers(3)]
    return ground


def sand(setting: Setting, random: np.random.Generator) -> Array:
    """Pale sand in wind ripples."""
    phase, wave = random.uniform(0, 9), random.uniform(0.5, 1.3)
    bend = 4 * np.sin(setting.x * 0.09 + phase) + smooth(random, 4, 4, setting.size, 6)[..., 0]
    ripples: Array = 9 * np.sin(setting.y * wave + bend)[..., None]
    return _base(setting, tone(226, 196, 132), random) + ripples + smooth(random, 48, 48, setting.size, 22)


def water(setting: Setting, random: np.random.Generator) -> Array:
    """Blue water with waves and glints, paler towards the horizon."""
    depth = setting.depth[..., None]
    waves = smooth(random, 28, 6, setting.size, 74) * (0.35 + 0.65 * depth)
    glints: Array = np.clip(smooth(random, 40, 10, setting.size, 8) - 1.9, 0, 1) * 62
    return _base(setting, tone(46, 118, 176), random) + waves + glints + (1 - depth) * tone(50, 36, 22)


def snowfield(setting: Setting, random: np.random.Generator) -> Array:
    """White drifts with blue shadows."""
    drifts = np.minimum(smooth(random, 5, 6, setting.size, 64), 12) * tone(1.25, 1, 0.6)
    return _base(setting, tone(230, 238, 252), random) + drifts + smooth(random, 40, 40, setting.size, 12)


def _base(setting: Setting, colour: Array, random: np.random.Generator) -> Array:
    """One colour, a little off, paler in the distance."""
    off = colour * np.float32(random.uniform(0.92, 1.06)) + random.uniform(-7, 7, 3).astype(np.float32)
    return np.repeat(off * (0.84 + 0.2 * setting.depth)[..., None], setting.size, axis=1)


Ground = Callable[[Setting, np.random.Generator], Array]
GROUNDS: Mapping[str, Ground] = {"road": road, "grass": grass, "sand": sand, "water": water, "snowfield": snowfield}
