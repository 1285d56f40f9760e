"""How a thing meets what it stands on: its shadow, its reflection, and a thin line that sets it off."""

from collections.abc import Callable, Mapping

import numpy as np

from counterfactory.data.diorama.setting import Array, Setting, mix, tone

NIGHT_EDGE = tone(112, 122, 156)
FOAM = tone(226, 238, 246)


def standing(picture: Array, cover: Array, setting: Setting) -> Array:
    """A soft shadow along the foot of the thing."""
    return picture * (1 - 0.5 * _foot(cover, setting, 4.0) * _around_base(setting, 2.6))


def floating(picture: Array, cover: Array, setting: Setting) -> Array:
    """A dark reflection broken by waves, and foam along the water line."""
    unit = setting.size / 64
    rows = np.arange(setting.size)
    mirrored = np.clip(np.round(2 * setting.view.base * unit - rows - 1), 0, setting.size - 1).astype(int)
    below = setting.y > setting.view.base
    share = cover[mirrored] * (below * (0.34 + 0.12 * np.sin(setting.y * 2.4)))[..., None]
    picture = mix(picture, picture * 0.45, share)
    foam = _foot(cover, setting, 2.0) * _around_base(setting, 1.1)
    return mix(picture, FOAM * setting.hour.light, 0.6 * foam)


def outlined(picture: Array, cover: Array, setting: Setting) -> Array:
    """A thin edge around the thing, dark by day and moonlit at night: white shows on snow and black in the dark."""
    wider = cover.copy()
    for here, there in ((np.s_[1:], np.s_[:-1]), (np.s_[:-1], np.s_[1:])):
        np.maximum(wider[here], cover[there], out=wider[here])
        np.maximum(wider[:, here], cover[:, there], out=wider[:, here])
    edge = wider - cover
    return mix(picture, NIGHT_EDGE, 0.4 * edge) if setting.hour.dark else picture * (1 - 0.42 * edge)


def _foot(cover: Array, setting: Setting, blur: float) -> Array:
    """How much of the thing stands over each column near the ground (1, size, 1), with soft ends."""
    unit = setting.size / 64
    low, high = round((setting.view.base - 0.35 * setting.view.scale) * unit), round(setting.view.base * unit)
    columns = cover[low : high + 1, :, 0].max(axis=0)
    reach = np.arange(-int(3 * unit), int(3 * unit) + 1)
    weights = np.exp(-((reach / (blur * unit / 2)) ** 2))
    return np.convolve(columns, weights / weights.sum(), mode="same").astype(np.float32)[None, :, None]


def _around_base(setting: Setting, half: float) -> Array:
    """A band (size, 1, 1) along the line that the thing stands on."""
    band: Array = np.exp(-(((setting.y - setting.view.base) / half) ** 2))[..., None]
    return band


Contact = Callable[[Array, Array, Setting], Array]
CONTACTS: Mapping[str, Contact] = {"water": floating}  # every other surface: standing
