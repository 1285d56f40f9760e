"""What would only be found after hours of training and searching, found before them."""

import json
from collections.abc import Sequence

from counterfactory.data.limit import Quota
from counterfactory.diffusion.adapted import CLASS_ENCODER, Adapted, folder_of
from counterfactory.diffusion.class_encoder import CONFIG, listed
from counterfactory.diffusion.pixel_painting import CLASSES
from counterfactory.errors import BadConfig
from counterfactory.names import model_folder
from counterfactory.recipes.generation import Amount
from counterfactory.types import Dataset
from counterfactory.worker import Worker


def foresee(
    worker: Worker, quota: Quota, known: Adapted | None, amount: Amount, eyes: Sequence[str | None], train: Dataset
) -> None:
    """Refuses a part of the classes, an adaptation to others, an amount of nothing, and eyes that are not there."""
    if quota.classes:
        raise BadConfig("training.classes: all classes are learnt and drawn; give data of these alone.")
    if known:
        _same_classes(known, train.classes, worker)
    if not sum(amount.counts(train)):
        raise BadConfig("amount.per_class: no class has any picture to be drawn; give one class a number of 1 or more.")
    for name in filter(None, eyes):
        model_folder(name)


def _same_classes(known: Adapted, classes: tuple[str, ...], worker: Worker) -> None:
    """Labels are numbers: what learnt other names would draw one class for another."""
    learnt = _learnt(known, worker)
    if learnt is not None and learnt != classes:
        raise BadConfig(
            f"generator.start: {known.model} learnt {listed(learnt)}, and the data have {listed(classes)}; give data "
            "with the same classes in the same order, or let the generator learn these."
        )


def _learnt(known: Adapted, worker: Worker) -> tuple[str, ...] | None:
    """The names of the classes that it knows, where it says them."""
    whole = folder_of(known.model, worker)
    if (whole / CLASSES).exists():
        return tuple(json.loads((whole / CLASSES).read_text(encoding="utf-8")))
    if (whole / "epochs").exists() and (found := known.folder(worker) / CLASS_ENCODER / CONFIG).exists():
        return tuple(json.loads(found.read_text(encoding="utf-8"))["classes"])
    return None
