"""What a classifier says of images, and which other answers it is asked for."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from counterfactory.classify.labels import match, names_of
from counterfactory.classify.predict import Classify, open_classifier
from counterfactory.classify.saved import Classifier
from counterfactory.errors import BadConfig, BadData, unknown
from counterfactory.explain.answers import open_asked
from counterfactory.keys import seed_for
from counterfactory.recipes.explained import NOT, Answers, Explained
from counterfactory.recipes.tested import called
from counterfactory.run import Run
from counterfactory.types import Dataset, Question, Sample, succeeded

SECOND, ALL = "second-best", "all"  # what may be wanted, beside a name
Said = NDArray[np.float64]
Wish = tuple[int, bool]  # an answer, and whether it is to be there


def answers_of(run: Run, model: str | None, labels: Mapping[str, str], images: Dataset) -> Answers:
    """What the classifier can say, in its own order and as the data call it."""
    if not model:
        raise BadConfig("No classifier given; expected --model with a run of `train`, a folder or a hub id.")
    return _in_words(open_asked(model, run.worker), labels, images)


def opinion_of(run: Run, opinion: str, labels: Mapping[str, str], images: Dataset) -> Answers:
    """The same of a classifier that the search does not ask; of the label map what concerns it."""
    classifier = open_classifier(opinion, run.worker)
    own = {name: meant for name, meant in labels.items() if name in classifier.classes}
    return _in_words(classifier, own, images)


def questions(
    run: Run, model: str, answers: Answers, images: Dataset, target: str, seed: int
) -> list[tuple[Sample, Question]]:
    """Each image, once, beside another answer than its own; one that has the wanted answer already is left out."""
    once = list({sample.image: sample for sample in images.samples}.values())
    said = run.map(Classify(classifier=model), [sample.image for sample in once])
    heard = succeeded(zip(once, said, strict=True))
    wished = [(sample, list(wishes(np.array(one), answers, target))) for sample, one in heard]
    asked = [(sample, _question(sample, wish, answers, seed)) for sample, wanted in wished for wish in wanted]
    if not asked:
        raise BadData(f"The classifier says {target!r} of every image already: there is nothing to explain.")
    if alike := sum(not wanted for _, wanted in wished):
        run.watcher.note(f"Left out: {alike} of {len(once)} images, of which the classifier says {target!r} already.")
    return asked


def wishes(said: Said, answers: Answers, target: str) -> Iterator[Wish]:
    """Which other answers are wanted of an image of which this was said."""
    if answers.several:
        doubt = np.abs(said - 0.5)
        wanted = range(len(said)) if target == ALL else [int(doubt.argmin())] if target == SECOND else None
        yield from [(n, bool(said[n] <= 0.5)) for n in wanted] if wanted else _attribute(said, answers, target)
        return
    answer = answers.names[int(said.argmax())]
    others = [n for n in np.argsort(-said, kind="stable").tolist() if answers.names[n] != answer]
    if target in {SECOND, ALL}:
        wanted = others[:1] if target == SECOND else sorted({answers.names[n]: n for n in reversed(others)}.values())
    else:
        _known(target, answers)
        wanted = [n for n in others if answers.names[n] == target][:1]
    yield from [(n, True) for n in wanted]


def agreement(run: Run, opinion: str, answers: Answers, made: Sequence[Explained]) -> str:
    """How often a classifier that the search did not ask gives the wanted answer too."""
    flips = [one for one in made if one.facts["flipped"] and _subject(one) in answers.names]
    if not flips:
        return ""
    said = run.map(Classify(classifier=opinion), [one.changed.image for one in flips])
    agreed = [
        answers.said(p, Question(image=one.changed.image, wanted=answers.names.index(_subject(one))))
        == one.facts["wanted"]
        for one, p in succeeded(zip(flips, said, strict=True))
    ]
    share = f"{100 * np.mean(agreed):.0f} % of {len(flips)} flips"
    return f"{called(opinion)}, which nothing was fitted to, gives the wanted answer for {share}."


def _in_words(classifier: Classifier, labels: Mapping[str, str], images: Dataset) -> Answers:
    several = classifier.has_several_labels
    labelled = any(sample.target is not None for sample in images.samples)
    if images.task == "segmentation" or (labelled and several != (images.task == "multi-label")):
        gives = "several labels" if several else "one label"
        raise BadData(f"The classifier gives {gives} an image, and these data are {images.task}; expected the same.")
    known = classifier.classes
    matching = match(names_of(known), len(known), images.classes, labels)
    names = [own if place < 0 else images.classes[place] for own, place in zip(known, matching.places, strict=True)]
    return Answers(names=tuple(names), several=several)


def _subject(one: Explained) -> str:
    """The class or the attribute that was asked about."""
    return str(one.facts.get("attribute") or one.facts["wanted"])


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


def _question(sample: Sample, wish: Wish, answers: Answers, seed: int) -> Question:
    number, present = wish
    own = seed_for("dime", seed, sample.image, number, present)
    also = () if answers.several else answers.alike(number)
    return Question(image=sample.image, wanted=number, also=also, present=bool(present), seed=own)
