"""What would only be found after hours of training and searching, found before them."""

import json
from typing import TYPE_CHECKING

from counterfactory.diffusion.adapted import CLASS_ENCODER, Adapted, folder_of
from counterfactory.diffusion.class_encoder import CONFIG, listed
from counterfactory.diffusion.pixel_painting import CLASSES
from counterfactory.errors import BadConfig
from counterfactory.names import model_folder
from counterfactory.recipes.generators import Drawing, Pipeline, Way
from counterfactory.run import Run
from counterfactory.training.loading import kind_of
from counterfactory.types import Dataset
from counterfactory.worker import Worker

if TYPE_CHECKING:
    from counterfactory.recipes.datagen import Datagen

UNSEARCHED = (
    "This stage does not search: the denoiser learns beside the encoder's last epoch, and is drawn with as `drawing` "
    "says. What a search found is drawn with by the settings that its page names."
)


def foresee(run: Run, said: "Datagen", train: Dataset) -> None:
    """Refuses eyes that see nothing, a part of the classes, an adaptation to others, and what cannot be drawn."""
    _see(said.eyes, said.features)
    if said.training.classes:
        raise BadConfig("training.classes: all classes are learnt and drawn; give data of these alone.")
    if said.made:
        return
    if said.generator.known:
        _same_classes(said.generator.known, train.classes, run.worker)
    if not sum(said.amount.counts(train)):
        raise BadConfig("amount.per_class: no class has any picture to be drawn; give one class a number of 1 or more.")
    _drawn_so(said.generator, said.drawing)
    searches = any(said.tuning.trials[: len(said.generator.learn) or 1])
    if said.stage == "search" and not searches:
        raise BadConfig("tuning.trials: no way is tried after anything that learns; say how many, or stage: adapt.")
    if said.stage in {"generate", "cas"} and searches and len(said.generator.learn) > 1:
        run.watcher.note(UNSEARCHED)


def _see(eyes: str | None, features: str | None) -> None:
    """Both are asked when all has been drawn."""
    if eyes:
        kind_of(model_folder(eyes), ("clip",))
    if features and not any((folder := model_folder(features)).glob("*.safetensors")):
        raise BadConfig(f"features: {folder} holds no model; expected one of transformers, or FID's Inception.")


def _drawn_so(generator: Drawing, way: Way) -> None:
    """A way by hand is met when the last part has learnt."""
    if way.eta and way.scheduler != "ddim":
        raise BadConfig("drawing.eta: only ddim heeds it; say drawing.scheduler=ddim, or leave it out.")
    if way.epoch and isinstance(generator, Pipeline) and generator.learn:
        part = generator.learn[-1]
        epochs = generator.trainer(part, None, 0).schedule.epochs or way.epoch
        if way.epoch > epochs:
            raise BadConfig(f"drawing.epoch: the {part} learns no epoch {way.epoch}; expected one of 1 to {epochs}.")


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
