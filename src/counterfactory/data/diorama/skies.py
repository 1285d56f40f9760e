"""Paints what is above the horizon: the sky of an hour under a weather, its clouds, sun, moon, stars and far hills."""

from collections.abc import Mapping

import numpy as np

from counterfactory.data.diorama.setting import Array, Hour, Setting, mix, smooth, stream, tone
from counterfactory.data.diorama.weather import Weather

HILLS = (tone(84, 122, 84), tone(108, 120, 142), tone(150, 140, 112), tone(120, 132, 152))


def sky(setting: Setting, weather: Weather, seed: int) -> Array:
    """The whole sky down to the horizon, with hills in front of it; below the horizon it goes on as haze."""
    hour, down = setting.hour, np.clip(setting.y / setting.view.horizon, 0, 1)[..., None]
    top, low = (mix(colour, weather.grey * hour.light, weather.overcast) for colour in (hour.zenith, hour.skyline))
    picture = mix(np.broadcast_to(top, (setting.size, setting.size, 3)), low, down)
    picture = _clouds(picture, setting, weather, down, stream(seed, "clouds"))
    if weather.overcast == 0:
        picture = _lights(picture, setting, stream(seed, "lights"))
    return _hills(picture, setting, low, stream(seed, "hills"))


def _clouds(picture: Array, setting: Setting, weather: Weather, down: Array, random: np.random.Generator) -> Array:
    lumps = smooth(random, 5, 4, setting.size, 1.6) + smooth(random, 10, 8, setting.size, 0.7)
    share = np.clip(lumps - 0.15, 0, 0.7) * (1 - 0.6 * down) * (0.35 if setting.hour.dark else 0.9)
    return mix(picture, weather.cloud * setting.hour.light, share * weather.cloudy)


def _lights(picture: Array, setting: Setting, random: np.random.Generator) -> Array:
    """The sun high by day and low at dusk; at night the moon and stars."""
    x, height, radius = random.uniform(6, 58), random.uniform(5, 11), random.uniform(2.6, 4)
    hour, horizon = setting.hour, setting.view.horizon
    y = horizon - 4 if hour.low_sun else height
    away = np.hypot(setting.x - x, setting.y - y)[..., None]
    if hour.dark:
        across, up = random.integers(0, setting.size, 60), random.uniform(0, horizon - 2, 60)
        picture[(up * setting.size / 64).astype(int), across] += random.uniform(60, 190, (60, 1)).astype(np.float32)
    picture = mix(picture, hour.orb, 0.35 * np.exp(-((away / (2.2 * radius)) ** 2)))
    return mix(picture, hour.orb, np.clip(radius + 0.5 - away, 0, 1))


def _hills(picture: Array, setting: Setting, haze: Array, random: np.random.Generator) -> Array:
    heights = np.interp(setting.x[0], np.linspace(0, 64, 7), random.uniform(0.5, 7, 7))
    colour = mix(HILLS[random.integers(len(HILLS))] * setting.hour.light, haze, 0.25)
    return mix(
        picture, colour, np.clip(setting.y - (setting.view.horizon - heights), 0, 1)[..., None].astype(np.float32)
    )


HOURS: Mapping[str, Hour] = {
    "day": Hour(
        zenith=tone(92, 160, 232),
        skyline=tone(192, 222, 246),
        orb=tone(255, 246, 200),
        light=tone(1, 1, 1),
        near=tone(1, 1, 1),
        indoors=tone(1, 1, 1),
    ),
    "dusk": Hour(
        zenith=tone(84, 62, 136),
        skyline=tone(254, 156, 90),
        orb=tone(255, 206, 110),
        light=tone(1, 0.78, 0.66),
        near=tone(1, 0.86, 0.77),
        indoors=tone(1, 0.8, 0.62),
        low_sun=True,
    ),
    "night": Hour(
        zenith=tone(8, 12, 38),
        skyline=tone(34, 42, 88),
        orb=tone(236, 236, 218),
        light=tone(0.4, 0.47, 0.7),
        near=tone(0.64, 0.66, 0.8),
        indoors=tone(0.5, 0.46, 0.5),
        dark=True,
    ),
}
