"""Which of the times that a network learnt are visited, in guided-diffusion's words. Knows no network."""

import re

from counterfactory.diffusion.gaussian import respaced
from counterfactory.errors import BadConfig


def spaced(times: int, spacing: int | str) -> list[int]:
    """So many of the times; or `250`, `ddim25`, `10,10,5` (steps of equal parts, the cleanest first); ``: all."""
    if not spacing and isinstance(spacing, str):
        return list(range(times))
    if isinstance(spacing, int):
        return _of_part(times, spacing, times)
    if ddim := re.fullmatch(r"ddim(\d+)", spacing):
        return _strided(times, int(ddim[1]))
    if not re.fullmatch(r"\d+(,\d+)*", spacing):
        raise BadConfig(f"timestep_respacing: {spacing!r} is none; expected for example 250, ddim25 or 10,10,5.")
    return _by_parts(times, [int(part) for part in spacing.split(",")])


def _by_parts(times: int, counts: list[int]) -> list[int]:
    """Equal parts of the times, the first ones longer by one where they cannot be equal; each has its own stride."""
    length, longer = divmod(times, len(counts))
    found, start = [], 0
    for number, count in enumerate(counts):
        size = length + (number < longer)
        found += [start + time for time in _of_part(size, count, times)]
        start += size
    return found


def _of_part(size: int, count: int, times: int) -> list[int]:
    if not 1 <= count <= size:
        part = "" if size == times else f", {size} of them in this part"
        raise BadConfig(f"steps: {count}, but this model was trained on {times}{part}; give 1 to that many.")
    return respaced(size, count)


def _strided(times: int, count: int) -> list[int]:
    """The least whole stride from 0 that gives so many (DDIM's own spacing)."""
    for stride in range(1, times + 1):
        if len(visited := range(0, times, stride)) == count:
            return list(visited)
    raise BadConfig(f"timestep_respacing: no whole stride gives {count} of {times} times; take a count without ddim.")
