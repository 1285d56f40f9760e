"""What every engine must keep: a request is all it looks at, and a picture says how it was made."""

from pathlib import Path
from typing import Any

import numpy as np

from counterfactory.testing.steps import StepContract
from counterfactory.types import Address, Request, Sample
from counterfactory.worker import Worker


class EngineContract(StepContract):
    """Inherit, name it `Test...`, give `step`; override `items` where it needs more than a prompt."""

    tolerance = 1  # of 255, between batch sizes in float32

    def items(self) -> list[Request]:
        prompts = ("a red bus", "a green tree", "a blue boat", "a white cup")
        return [Request(prompt=prompt, seed=i, label=i, size=(64, 64)) for i, prompt in enumerate(prompts)]

    def same(self, one: Any, other: Any) -> bool:
        """Equal but for their pixels' addresses; the pixels are compared where both workspaces are at hand."""
        return isinstance(one, Sample) and (one.target, one.origin) == (other.target, other.origin)

    def pixels(self, folder: Path, address: Address) -> np.ndarray:
        """A drawn image as numbers."""
        return np.asarray(Worker(workspace=folder).pixels.image(address), np.int16)

    def test_pictures_do_not_depend_on_the_batch(self, tmp_path: Path) -> None:
        items = self.items()
        alone = self.results(tmp_path / "a", items, batch_size=1)
        together = self.results(tmp_path / "b", items, batch_size=len(items))
        for one, other in zip(alone, together, strict=True):
            apart = self.pixels(tmp_path / "a", one.image) - self.pixels(tmp_path / "b", other.image)
            assert np.abs(apart).max() <= self.tolerance

    def test_another_seed_draws_another_picture(self, tmp_path: Path) -> None:
        first, second = (Request(prompt="a red bus", seed=seed, label=0, size=(64, 64)) for seed in (1, 2))
        one, other = self.results(tmp_path, [first, second])
        assert one.image != other.image

    def test_a_picture_keeps_its_label_and_says_how_it_was_made(self, tmp_path: Path) -> None:
        for request, drawn in zip(self.items(), self.results(tmp_path, self.items()), strict=True):
            assert drawn.target == request.label
            assert drawn.origin is not None
            assert (drawn.origin.prompt, drawn.origin.seed) == (request.prompt, request.seed)
            assert drawn.origin.model
            assert drawn.origin.parent == (request.source.digest if request.source else None)

    def test_a_picture_has_the_size_that_was_asked_for(self, tmp_path: Path) -> None:
        for request, drawn in zip(self.items(), self.results(tmp_path, self.items()), strict=True):
            height, width, channels = self.pixels(tmp_path, drawn.image).shape
            assert channels == 3
            assert request.size in {None, (width, height)}
