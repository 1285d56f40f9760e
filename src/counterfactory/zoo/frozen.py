"""Copies of finished models, for what learns beside them: it goes on with the same ones, and anew with newer ones."""

import shutil
from pathlib import Path

from counterfactory.errors import BadConfig, writing
from counterfactory.names import folder_identity
from counterfactory.zoo.order import NUMBERS, Order

FROZEN, TRAINING = "frozen", "training"


def frozen(order: Order, *models: str) -> list[str]:
    """The folders of copies of the models as they were when last seen finished.

    A model that is trained further stays as it was here until it has finished. Then it is copied again, and what was
    learnt beside the older one is put aside: the same command begins anew.
    """
    with writing(order.folder):
        fresh = [_fresh(order, model) for model in models]
        if any(fresh) and (order.folder / TRAINING).exists():
            (order.folder / TRAINING).rename(_aside(order.folder / FROZEN))
    return [str(_copy(order, model)) for model in models]


def first_copy(order: Order, model: str) -> str:
    """The folder of a copy of a model as it is at the first call, finished or not: only first weights come from it."""
    source, copy = order.zoo / model, _copy(order, model)
    if not copy.exists():
        if not (source / "config.json").exists():
            raise BadConfig(f"There is no {model} in {source}; train it first: --model {model}.")
        part = copy.with_suffix(".part")
        with writing(order.folder):
            shutil.copytree(source, part, ignore=shutil.ignore_patterns(TRAINING, FROZEN, NUMBERS), dirs_exist_ok=True)
            part.rename(copy)
    return str(copy)


def _fresh(order: Order, model: str) -> bool:
    """Brings the copy of a model up to date; whether there was anything new."""
    source, copy = order.zoo / model, _copy(order, model)
    if not (source / NUMBERS).exists():
        if not copy.exists():
            raise BadConfig(f"There is no finished {model} in {source}; train it first: --model {model}.")
        return False
    part = copy.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)  # of a killed call
    shutil.copytree(source, part, ignore=shutil.ignore_patterns(TRAINING, FROZEN, NUMBERS))
    if copy.exists() and folder_identity(part) == folder_identity(copy):
        shutil.rmtree(part)
        return False
    shutil.rmtree(copy, ignore_errors=True)
    part.rename(copy)
    return True


def _copy(order: Order, model: str) -> Path:
    return order.folder / FROZEN / model


def _aside(folder: Path) -> Path:
    """A name beside the copies that no earlier training has; nothing there is packed."""
    number = 1
    while (folder / f"{TRAINING}-{number}").exists():
        number += 1
    return folder / f"{TRAINING}-{number}"
