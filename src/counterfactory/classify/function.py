"""A person's own function as a model under test. It is their code: it runs as it is, and what it raises is told."""

import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from counterfactory.classify.here import here_first
from counterfactory.classify.scores import Answer, Ask, answer
from counterfactory.classify.tested import FunctionModel
from counterfactory.errors import BadConfig, unknown
from counterfactory.types import Failed, Sample
from counterfactory.worker import Worker


def open_function(model: FunctionModel, worker: Worker) -> Ask:
    """The function, asked with all images of a batch at once."""
    function = _imported(model.name)

    def ask(samples: Sequence[Sample]) -> Sequence[Answer | Failed]:
        images = [worker.pixels.image(sample.image) for sample in samples]
        try:
            said = _asked(function, images)
        except Exception as error:  # a person's own code may raise anything
            if len(samples) > 1:
                raise  # the batch is halved until the image stands alone
            return [_failed(model.name, error)]
        return _answers(said, model, len(samples))

    return ask


def _imported(name: str) -> Callable[[Any], Any]:
    module, _, attribute = name.partition(":")
    with here_first():
        try:
            found = import_module(module)
        except (Exception, SystemExit) as error:  # a person's own code may do anything, also while it is imported
            raise BadConfig(f"The model {name} cannot be imported: {type(error).__name__}: {error}") from error
    function = getattr(found, attribute, None)
    if function is None:
        raise unknown(f"function of the module {module}", attribute, _functions(found))
    if not callable(function):
        raise BadConfig(f"{name} is no function but a {type(function).__name__}; expected one that takes images.")
    return function  # type: ignore[no-any-return]


def _asked(function: Callable[[Any], Any], images: list[Any]) -> Any:
    with here_first():  # it may import its neighbours only now
        try:
            return function(images)
        except SystemExit as error:  # it may not end the whole run
            raise RuntimeError(f"it called sys.exit({error.code!r})") from error


def _functions(module: Any) -> list[str]:
    return [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]


def _answers(said: Any, model: FunctionModel, count: int) -> list[Answer | Failed]:
    who, are_logits = model.name, model.scores == "logits"
    if said is None or not hasattr(said, "__len__") or len(said) != count:
        number = f"{len(said)} answers" if hasattr(said, "__len__") else f"a {type(said).__name__}"
        reason = f"{who} gave {number} for {count} images; expected a list with the scores of each."
        return [Failed("", reason)] * count
    return [answer(each, who, are_logits) for each in said]


def _failed(name: str, error: Exception) -> Failed:
    said = "".join(traceback.format_exception(error))
    return Failed("", f"{name} raised {type(error).__name__}: {error}", said)
