"""The words of a data set, for whatever learns from them."""

from counterfactory.errors import BadData
from counterfactory.types import Dataset


def captions_of(dataset: Dataset) -> list[str]:
    """What is said of every picture; one without words cannot be learnt from."""
    silent = [sample.image.place for sample in dataset.samples if not sample.caption]
    if silent:
        raise BadData(
            f"{len(silent)} of {len(dataset)} images have no caption, among them {silent[0]}; caption them first."
        )
    return [sample.caption or "" for sample in dataset.samples]
