"""For each text some that are nearly the same: what tells those apart must be seen in the picture."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

Gap = tuple[int, str]  # a text without one of its words: which one, and what is left


def rivals(texts: Sequence[str], number: int, seed: int) -> np.ndarray:
    """Row numbers (N, number) of texts that differ in one word; of any where there is none.

    Texts that are drawn by chance differ in so much that a CLIP need not look at what is hard to see. Texts that
    differ in one word make it look there (Yuksekgonul et al. 2023).
    """
    rows = {text: row for row, text in enumerate(texts)}
    alike: dict[Gap, list[int]] = defaultdict(list)
    for text, row in rows.items():
        for gap in _gaps(text):
            alike[gap].append(row)
    random = np.random.default_rng(seed)
    found = random.integers(len(texts), size=(len(texts), number))
    for row, text in enumerate(texts):
        near = _near(text, rows[text], alike)
        if near:
            found[row] = random.choice(near, size=number)
    return found


def _near(text: str, row: int, alike: Mapping[Gap, Sequence[int]]) -> list[int]:
    return [other for gap in _gaps(text) for other in alike[gap] if other != row]


def _gaps(text: str) -> Iterator[Gap]:
    words = text.split()
    return ((place, " ".join(words[:place] + words[place + 1 :])) for place in range(len(words)))
