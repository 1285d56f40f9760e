"""What a classifier says of images, and which other answers it is asked for."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from counterfactory.classify.labels import match, names_of
from counterfactory.classify.predict import Classify, open_classifier
from counterfactory.errors import BadConfig, BadData, unknown
from counterfactory.explain.answers import open_asked
from counterfactory.keys import seed_for
from counterfactory.recipes.explained import NOT, Answers, Explained
from counterfactory.run import Run
from counterfactory.types import Dataset, Question, Sample, succeeded

SECOND, ALL = "second-best", "all"  # what may be wanted, beside a name
Said = NDArray[np.float64]
Wish = tuple[int, bool]  # an answer, and whether it is to be there


def answers_of(run: Run, model: str | None, labels: Mapping[str, str], images: Dataset) -> Answers:
    """What the classifier can say, in its own order and as the data call it."""
    if not model:
        raise BadConfig("No classifier given; expected --model with a run of `train`, a folder or a hub id.")
    classifier = open_asked(model, run.worker)
    several = classifier.has_several_labels
    if images.task == "segmentation" or several != (images.task == "multi-label"):
        gives = "several labels" if several else "one label"
        raise BadData(f"The classifier gives {gives} an image, and these data are {images.task}; expected the same.")
    known = classifier.classes
    matching = match(names_of(known), len(known), images.classes, labels)
    names = [own if place < 0 else images.classes[place] for own, place in zip(known, matching.places, strict=True)]
    return Answers(names=tuple(names), several=several)


def questions(
    run: Run, model: str, answers: Answers, images: Dataset, target: str, seed: int
) -> list[tuple[Sample, Question]]:
    """Each image beside another answer than its own; one that has the wanted answer already is left out."""
    said = run.map(Classify(classifier=model), [sample.image for sample in images.samples])
    asked = [
        (sample, _question(sample, wish, seed))
        for sample, one in succeeded(zip(images.samples, said, strict=True))
        for wish in wishes(np.array(one), answers, target)
    ]
    if not asked:
        raise BadData(f"The classifier says {target!r} of every image already: there is nothing to explain.")
    if alike := len(images) - len({sample.image for sample, _ in asked}):
        run.watcher.note(f"{alike} images are left out: the classifier says {target!r} of them already.")
    return asked


def wishes(said: Said, answers: Answers, target: str) -> Iterator[Wish]:
    """Which other answers are wanted of an image of which this was said."""
    if answers.several:
        doubt = np.abs(said - 0.5)
        wanted = range(len(said)) if target == ALL else [int(doubt.argmin())] if target == SECOND else None
        yield from [(n, said[n] <= 0.5) for n in wanted] if wanted else _attribute(said, answers, target)
        return
    answer = answers.names[int(said.argmax())]
    others = [n for n in np.argsort(-said, kind="stable").tolist() if answers.names[n] != answer]
    if target in {SECOND, ALL}:
        wanted = others[:1] if target == SECOND else sorted(others)
    else:
        _known(target, answers)
        wanted = [n for n in others if answers.names[n] == target][:1]
    yield from [(n, True) for n in wanted]


def agreement(run: Run, opinion: str, made: Sequence[Explained]) -> str:
    """How often a classifier that the search did not ask gives the wanted answer too."""
    flips = [one for one in made if one.facts["flipped"]]
    if not flips:
        return ""
    names = open_classifier(opinion, run.worker).classes
    said = run.map(Classify(classifier=opinion), [one.changed.image for one in flips])
    agreed = [names[int(np.argmax(p))] == one.facts["wanted"] for one, p in succeeded(zip(flips, said, strict=True))]
    return f"{opinion}, which nothing was fitted to, gives the wanted answer for {100 * np.mean(agreed):.0f} % of them."


def _attribute(said: Said, answers: Answers, target: str) -> list[Wish]:
    """An attribute by name is to change; said with `not`, it is to go."""
    name = target.removeprefix(NOT) if target not in answers.names else target
    _known(name, answers)
    number = answers.names.index(name)
    there = bool(said[number] > 0.5)
    return [(number, not there)] if name == target or there else []


def _known(target: str, answers: Answers) -> None:
    if target not in answers.names:
        raise unknown("target", target, [SECOND, ALL, *answers.names])


def _question(sample: Sample, wish: Wish, seed: int) -> Question:
    number, present = wish
    own = seed_for("dime", seed, sample.image, number, present)
    return Question(image=sample.image, wanted=number, present=bool(present), seed=own)
