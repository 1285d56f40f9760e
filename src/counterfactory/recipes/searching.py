"""The search of a way to draw: each is worth what a classifier that learnt from its drawings is on real images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from counterfactory.data.choose import levelled
from counterfactory.diffusion.adapted import Adapted, epochs, folder_of
from counterfactory.errors import BadConfig, BadData, TooManyFailures
from counterfactory.metrics.classification import measure
from counterfactory.recipes.generation import Size, asked, synthetic
from counterfactory.recipes.generators import Generator, Part, Way
from counterfactory.recipes.trials import Choice, answers, measuring_splits
from counterfactory.recipes.tuning import Tuning
from counterfactory.run import Run
from counterfactory.search.course import Report, is_of_a_trial
from counterfactory.search.plan import Settings
from counterfactory.search.trials import Found
from counterfactory.types import Collection, Dataset, Failed, Request, Sample
from counterfactory.worker import nobody


@dataclass(frozen=True, kw_only=True)
class Round:
    """A part that learnt, and the way in which is drawn from then on."""

    part: Part | None  # none where all was learnt before
    known: Adapted
    way: Way
    found: Found | None = None  # none where nothing was searched
    ways: tuple[Way, ...] = ()  # that its trials stand for
    stays: bool = False  # the way by hand, as no other was better
    usual: float | None = None  # the score of the way by hand, with a seed by which nothing was chosen
    best: float | None = None  # the same of the way that is drawn in


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """What ways of drawing are tried with: who draws, and real images to tell by."""

    run: Run
    generator: Generator
    tuning: Tuning
    usual: Way  # by hand
    choice: Choice
    judges: Dataset | None  # of the ways
    size: Size | None  # of the drawings
    seed: int

    def best(self, number: int, part: Part | None, known: Adapted, before: Round | None) -> Round:
        """The way to draw after a part; the one by hand stands where nothing is better."""
        kept = [known.epoch] if known.epoch else epochs(folder_of(known.model, self.run.worker))
        usual = self.tuning.usual(self._by_hand(number, kept), kept)
        if not self.tuning.trials_after(number):
            return Round(part=part, known=known.model_copy(update={"epoch": usual.epoch}), way=usual)
        earlier = before.way if before and before.found else None
        said = self.tuning.search(number, kept, usual, earlier, self.seed)
        way = partial(self.tuning.way, kept=kept, usual=usual)

        def score(settings: Settings, report: Report, seed: int) -> float:
            return self.score(known, way(settings), seed, report)

        found = self.run.search(said, score, self._about(known), way)
        seeds, fresh = range(1, self.tuning.repeats + 1) or range(1), self.tuning.repeats + 1
        by_hand = self._mean(known, usual, seeds)
        stays = by_hand is not None and by_hand >= found.value
        best = usual if stays else way(found.settings)
        return Round(
            part=part,
            known=known.model_copy(update={"epoch": best.epoch}),
            way=best,
            found=found,
            ways=tuple(way(trial.settings) for trial in found.trials),
            stays=stays,
            usual=self._mean(known, usual, [fresh]),
            best=self._mean(known, best, [fresh]),
        )

    def _by_hand(self, number: int, kept: Sequence[int]) -> Way:
        """The way by hand after a part; an epoch that is said is the last part's."""
        if number + 1 < len(self.generator.learn):
            return self.usual.model_copy(update={"epoch": None})
        if self.usual.epoch and kept and self.usual.epoch not in kept:
            raise BadConfig(f"drawing.epoch: {self.usual.epoch} was not kept; there is {', '.join(map(str, kept))}.")
        return self.usual

    def score(self, known: Adapted, way: Way, seed: int, report: Report = nobody) -> float:
        """What a classifier is worth that learnt from drawings alone."""
        train, judges = self.choice["train"], self.judges
        assert judges is not None, "a search has images to tell by"
        classes = len(train.classes)
        requests = [
            asked(label, number, ["search", self.seed, seed], guidance=way.guidance, size=self.size)
            for number in range(-(-self.tuning.images // classes))
            for label in range(classes)
        ]
        made = synthetic(self._all_drawn(known, way, requests), train)
        trainer = self.tuning.classifier.with_(seed=self.seed + seed).sized(train, self.run.worker)
        label, heard = f"learn from {len(made)} drawings", {trainer.steps}  # at its end there is nothing left to spare

        def hear(step: int, value: float) -> None:
            if step not in heard:
                heard.add(step)
                report(step, value)

        artifact = self.run.fit(trainer, label, hear, train=made, validation=self._listeners())
        for step, _, _, accuracy in artifact.numbers.get("history", ()):  # a known one said nothing
            hear(step, accuracy)
        said = answers(self.run, artifact, {self.tuning.split: judges})[self.tuning.split]
        return measure(said["probabilities"], said["targets"])[self.tuning.measure]

    def _all_drawn(self, known: Adapted, way: Way, requests: Sequence[Request]) -> list[Sample]:
        """What a way draws; a part of it would be compared with all that another way draws."""
        made = self.run.map(self.generator.engine(known, way), requests)
        if failed := [one for one in made if isinstance(one, Failed)]:
            raise TooManyFailures(f"{len(failed)} of {len(made)} drawings failed, one so: {failed[0].reason}")
        return [one for one in made if not isinstance(one, Failed)]

    def _listeners(self) -> Dataset:
        """Validation images by which a trial is heard on its way: accuracy on them is the measure of its score."""
        validation = self.choice["validation"]
        return levelled(validation) if self.tuning.measure == "balanced_accuracy" else validation

    def _mean(self, known: Adapted, way: Way, seeds: Sequence[int]) -> float | None:
        """What a way is worth by some seeds; nothing where it cannot be drawn so."""
        try:
            return fmean(self.score(known, way, seed) for seed in seeds)
        except Exception as error:
            if not is_of_a_trial(error):
                raise
            self.run.watcher.note(f"A way that was to be compared has no score: {error}")
            return None

    def _about(self, known: Adapted) -> list[object]:
        """All that a score follows from beside the way."""
        judged = self.tuning.model_copy(update={"trials": (), "finalists": 1, "repeats": 0})
        return [self.generator.engine(known, self.usual), judged, dict(self.choice), self.judges, self.size]


def judges_of(tuning: Tuning, data: Collection, choice: Choice) -> Dataset | None:
    """The real images that tell ways of drawing apart; none where no search is wanted."""
    if not any(tuning.trials):
        return None
    if "validation" not in choice:
        raise BadData(
            "No real images are left to tell ways of drawing apart by: no class has two training images. Give a "
            "validation split, or say how to draw: --set tuning.trials=[] --set drawing.guidance=2."
        )
    return next(iter(measuring_splits(data).values())) if tuning.split == "test" else choice["validation"]
