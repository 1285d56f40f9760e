"""Refuses weights that cannot be trusted: pickles, which run what they say, and networks of which a part is missing."""

from collections.abc import Collection
from pathlib import Path

from counterfactory.errors import BadConfig
from counterfactory.names import PICKLED


def refuse_pickles(folder: Path) -> None:
    """Says what a folder holds in place of safetensors, or that there is nothing."""
    if any(folder.glob("*.safetensors")):
        return
    pickles = sorted(path.name for pattern in PICKLED for path in folder.glob(pattern))
    if pickles:
        raise BadConfig(refusal(folder, pickles[0]))
    raise BadConfig(
        f"{folder} does not hold such a model: there are no weights in it; "
        "expected safetensors, as `model.save_pretrained(folder)` writes them."
    )


def refuse_halves(folder: Path, missing: Collection[str]) -> None:
    """A part that is not in the file would be made up, and so would every answer."""
    if missing:
        raise BadConfig(
            f"{folder} has no weights for {len(missing)} parts of such a model, {min(missing)} among them: it was made "
            "for another task. Give a model that was trained for this one."
        )


def refusal(place: Path, name: str) -> str:
    """The one sentence about a pickle."""
    return (
        f"{place}: {name} is a pickle, which can run code when it is read, and is refused; "
        "save the model as safetensors: model.save_pretrained(folder)."
    )
