"""The pictures that a pull is meant for: moved and noised a little, so that it is no pattern that fits one alone."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from counterfactory.explain.step import Views


def seen_about(x_BCHW: Tensor, views: Views, sources: Sequence[torch.Generator]) -> list[Tensor]:
    """So many views of pictures, each with its own source of chance; their borders go on where they are moved."""
    reach = round(views.moved * min(x_BCHW.shape[2:]))
    if not reach and not views.noise:
        return [x_BCHW]
    wide = functional.pad(x_BCHW, (reach,) * 4, mode="replicate") if reach else x_BCHW
    return [
        torch.stack([_view(one, reach, views.noise, source) for one, source in zip(wide, sources, strict=True)])
        for _ in range(views.count)
    ]


def _view(wide: Tensor, reach: int, deviation: float, source: torch.Generator) -> Tensor:
    height, width = (side - 2 * reach for side in wide.shape[1:])
    top, left = torch.randint(2 * reach + 1, (2,), generator=source).tolist()
    picture = wide[:, top : top + height, left : left + width]
    return picture + deviation * torch.randn(picture.shape, generator=source).to(picture)
