"""What every step must keep: it is a value, and its results depend on nothing but itself and the item."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from counterfactory import codec, keys
from counterfactory.run import Run
from counterfactory.types import Failed
from counterfactory.worker import Worker


class StepContract:
    """Inherit, name it `Test...`, and give `step` and `items` (three or more, all good)."""

    def step(self) -> Any:
        raise NotImplementedError

    def items(self) -> Sequence[Any]:
        raise NotImplementedError

    def same(self, one: Any, other: Any) -> bool:
        """Whether two results count as equal; override where numbers may differ in the last place."""
        return codec.encode(one) == codec.encode(other)

    def results(self, folder: Path, items: Sequence[Any], batch_size: int = 2) -> list[Any]:
        """The step over items, in a workspace of its own."""
        with Run(folder / "run", Worker(workspace=folder, batch_size=batch_size, processes=1)) as run:
            return list(run.map(self.step(), items))

    def test_the_step_is_frozen(self) -> None:
        step = self.step()
        for name in type(step).model_fields:
            with pytest.raises(ValidationError):
                setattr(step, name, getattr(step, name))

    def test_the_step_survives_json(self) -> None:
        step = self.step()
        assert keys.key(type(step).model_validate_json(step.model_dump_json())) == keys.key(step)

    def test_a_field_that_is_unknown_is_refused(self) -> None:
        with pytest.raises(ValidationError):
            type(self.step()).model_validate({**self.step().model_dump(), "no_such_field": 1})

    def test_the_step_has_a_version(self) -> None:
        assert isinstance(type(self.step()).version, int)

    def test_every_item_gets_one_result_in_order(self, tmp_path: Path) -> None:
        items = self.items()
        forward = self.results(tmp_path / "a", items)
        backward = self.results(tmp_path / "b", list(reversed(items)))
        assert len(forward) == len(items) >= 3
        assert not any(isinstance(result, Failed) for result in forward)
        assert all(self.same(one, other) for one, other in zip(forward, reversed(backward), strict=True))

    def test_results_do_not_depend_on_the_batch(self, tmp_path: Path) -> None:
        items = self.items()
        alone = self.results(tmp_path / "a", items, batch_size=1)
        together = self.results(tmp_path / "b", items, batch_size=len(items))
        assert all(self.same(one, other) for one, other in zip(alone, together, strict=True))
