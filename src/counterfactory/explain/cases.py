"""One question on its way to an explanation: what is computed once for it, and what it comes to in the end."""

from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from counterfactory.classify.saved import Classifier
from counterfactory.explain.answers import Probabilities, answers
from counterfactory.explain.canvas import Canvas
from counterfactory.pixels import encode_png
from counterfactory.training.pictures import to_pixels
from counterfactory.types import Address, Explanation, Origin, Question, Sample
from counterfactory.worker import Worker


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A question, and what the search needs of it."""

    question: Question
    canvas: Canvas
    start: Tensor  # (3, h, w), the source under noise
    detail: Tensor  # of the source, at the classifier's size
    seen: Tensor | None  # of the source, by the eyes
    before: Probabilities


@dataclass(frozen=True, kw_only=True, eq=False)
class Try:
    """What one scale came to."""

    case: Case
    picture: Image.Image
    trace: tuple[Tensor, ...]
    after: Probabilities
    flipped: bool
    scale: float
    number: int  # of the scale, from 1


def objection(question: Question, classifier: Classifier, before: Probabilities) -> str:
    """Why a question cannot be asked; empty where it can."""
    names, wanted = classifier.classes, question.wanted
    if not 0 <= wanted < len(names):
        return f"answer {wanted} was wanted, and the classifier has answers 0 to {len(names) - 1}"
    if not question.present and not classifier.has_several_labels:
        return (
            f"it was wanted that {names[wanted]!r} is not there; of a classifier with one label an image, want another"
        )
    if answers(classifier, question, before):
        said = (
            f"{names[wanted]!r} is {'' if question.present else 'not '}there"
            if classifier.has_several_labels
            else repr(names[wanted])
        )
        return f"the classifier says {said} of this image already; want another answer"
    return ""


def explanation(found: Try, worker: Worker, names: tuple[str, ...], model: str) -> Explanation:
    """What a case came to, its pictures kept in the workspace."""
    question = found.case.question
    wish = names[question.wanted] if question.present else f"no {names[question.wanted]}"
    origin = Origin(parent=question.image.digest, seed=question.seed, model=model, changed={"answer": wish})
    return Explanation(
        sample=Sample(image=_kept(found.picture, worker), origin=origin),
        start=_kept(_picture(found.case.start), worker),
        before=found.case.before,
        after=found.after,
        flipped=found.flipped,
        scale=found.scale,
        tries=found.number,
        trace=tuple(_kept(_picture(one), worker) for one in found.trace),
    )


def _picture(x_CHW: Tensor) -> Image.Image:
    return Image.fromarray(to_pixels(x_CHW[None])[0])


def _kept(picture: Image.Image, worker: Worker) -> Address:
    return Address(worker.blobs.put(encode_png(picture)))
