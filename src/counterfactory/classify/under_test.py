"""The model under test, whatever kind it is: probabilities of the data's classes for each image."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import ClassVar

import numpy as np
from pydantic import BaseModel

from counterfactory.classify.labels import Matching, match, names_of
from counterfactory.classify.predict import asked, open_classifier
from counterfactory.classify.scores import Answer, Ask
from counterfactory.classify.tested import EndpointModel, FunctionModel, OnnxModel, SavedModel, TestedModel
from counterfactory.errors import BadConfig, BadData, CounterfactoryError
from counterfactory.types import Failed, Sample
from counterfactory.worker import Worker

Matched = Callable[[tuple[str, ...] | None, int], Matching]
Tell = Callable[[Sequence[Sample]], list[tuple[float, ...] | Failed]]


class UnderTest(BaseModel, frozen=True, extra="forbid"):
    """Probabilities of `classes` for each image; where the model knows others too, last that of the surest other."""

    version: ClassVar[int] = 2

    model: TestedModel
    classes: tuple[str, ...]
    labels: Mapping[str, str] = {}  # the model's names to the data's, where they differ; several may mean one class

    @property
    def at_once(self) -> int:
        """How many images it wants at a time, where the worker would give it fewer."""
        return self.model.at_once if isinstance(self.model, EndpointModel) else 1

    def load(self, worker: Worker) -> Tell:
        ask, matching = _opened(self, worker)

        def tell(samples: Sequence[Sample]) -> list[tuple[float, ...] | Failed]:
            return [_told(said, matching) for said in ask(samples)]

        return tell

    def notices(self, worker: Worker, *samples: Sample) -> tuple[str, ...]:
        """Asks until one image is answered, before any other work: what a person should know, or why none can be."""
        ask, matching = _opened(self, worker)
        reason = "there is no image to ask about."
        for sample in samples:
            tried = _tried(ask, matching, sample)
            if isinstance(tried, Matching):
                return tuple(filter(None, [tried.notice]))
            reason = tried.reason
        raise BadData(f"The model under test cannot be asked: {reason}")


def _tried(ask: Ask, matching: Matched, sample: Sample) -> Matching | Failed:
    try:
        (said,) = ask([sample])
        return said if isinstance(said, Failed) else matching(said.names, len(said.probabilities))
    except BadData as error:
        return Failed("", str(error))
    except Exception as error:  # somebody else's code and graph may raise anything
        if isinstance(error, CounterfactoryError):
            raise
        return Failed("", f"{type(error).__name__}: {error}")


def _opened(step: UnderTest, worker: Worker) -> tuple[Ask, Matched]:
    """The model, and how its names are brought together with the data's; what can be known of that is checked now."""

    @cache
    def matching(names: tuple[str, ...] | None, outputs: int) -> Matching:
        return match(names, outputs, step.classes, step.labels)

    if isinstance(step.model, EndpointModel | FunctionModel):  # their names come with their answers
        return _foreign(step.model, worker), matching
    ask, names, outputs = (
        _saved(step.model, worker) if isinstance(step.model, SavedModel) else _onnx(step.model, worker)
    )
    if outputs is not None:
        matching(names, outputs)
    return ask, matching


def _foreign(model: EndpointModel | FunctionModel, worker: Worker) -> Ask:
    if isinstance(model, FunctionModel):
        from counterfactory.classify.function import open_function

        return open_function(model, worker)
    from counterfactory.classify.endpoint import open_endpoint

    return open_endpoint(model, worker)


def _onnx(model: OnnxModel, worker: Worker) -> tuple[Ask, tuple[str, ...] | None, int | None]:
    from counterfactory.classify.onnx_session import open_onnx

    ask, outputs = open_onnx(model, worker)
    return ask, model.classes, outputs


def _saved(model: SavedModel, worker: Worker) -> tuple[Ask, tuple[str, ...] | None, int | None]:
    classifier = open_classifier(model.name, worker)
    names = names_of(classifier.classes)

    def ask(samples: Sequence[Sample]) -> list[Answer | Failed]:
        rows = asked(classifier, worker, [sample.image for sample in samples]).astype(np.float64)
        return [Answer(names=names, probabilities=row) for row in rows]

    return ask, names, len(classifier.classes)


def _told(said: Answer | Failed, matching: Matched) -> tuple[float, ...] | Failed:
    if isinstance(said, Failed):
        return said
    try:
        return tuple(matching(said.names, len(said.probabilities)).merged(said.probabilities).tolist())
    except (BadConfig, BadData) as error:  # an answer of its own names
        return Failed("", str(error))
