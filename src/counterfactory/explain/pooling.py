"""From questions to explanations: scale after scale, and what one leaves open shares its batches in the next.

A batch in which one image needs a second try would else be run again for that image alone. Each image has noise of its
own, so that nothing about it depends on its neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from counterfactory.classify.exact import exact
from counterfactory.classify.pictures import normalised
from counterfactory.classify.saved import Classifier
from counterfactory.diffusion.gaussian import noised
from counterfactory.diffusion.sampling import Denoiser, fresh_noise, open_denoiser
from counterfactory.errors import BadConfig, BadData
from counterfactory.explain.answers import Wishes, answers, open_asked, probabilities, reluctance
from counterfactory.explain.canvas import open_canvas, with_detail
from counterfactory.explain.cases import Case, Try, explanation, objection
from counterfactory.explain.eyes import Look, distance, open_eyes
from counterfactory.explain.guidance import Guide, Loss
from counterfactory.explain.search import Found, Search
from counterfactory.explain.step import Explain
from counterfactory.explain.views import seen_about
from counterfactory.keys import seed_for
from counterfactory.names import identity
from counterfactory.types import Artifact, Explanation, Failed, Question
from counterfactory.worker import Worker

NO_NUMBER = "the classifier's answer is no number (NaN or infinite); it cannot be explained"
NO_PULL = "the classifier gave no gradients at all (0 at every step)"


def open_explainer(step: Explain, worker: Worker) -> "Explainer":
    """Opens the models that a step names."""
    denoiser = str(worker.artifact(step.denoiser)) if isinstance(step.denoiser, Artifact) else step.denoiser
    model = open_denoiser(denoiser, worker.device, worker.torch_dtype())
    return Explainer(
        step=step,
        worker=worker,
        classifier=open_asked(step.classifier, worker),
        search=search_of(step, model),
        look=open_eyes(step.search.eyes, worker) if step.search.losses.perceptual else None,
        name=f"{step.mode} {step.denoiser if isinstance(step.denoiser, str) else 'artifact'} {identity(denoiser)}",
    )


def search_of(step: Explain, model: Denoiser) -> Search:
    """The search that a step plans, in the steps of a denoiser."""
    links = model.chain(step.search.steps)
    start = step.search.taken_back(step.mode, len(links))
    if start + step.search.noised_further > len(links):
        raise BadConfig(f"search.start: {start}, but the denoiser takes {len(links)} steps; give fewer.")
    return Search(plan=step.search, mode=step.mode, model=model, links=links, traced=step.traced)


@dataclass(frozen=True, kw_only=True, eq=False)
class Explainer:
    """The step, loaded."""

    step: Explain
    worker: Worker
    classifier: Classifier
    search: Search
    look: Look | None
    name: str

    def __call__(self, questions: Sequence[Question]) -> list[Explanation | Failed]:
        """What each question comes to, in order."""
        with exact(self.worker):
            found = self._found([self.case(question) for question in questions])
        names = self.classifier.classes
        return [one if isinstance(one, Failed) else explanation(one, self.worker, names, self.name) for one in found]

    def _found(self, cases: Sequence[Case | Failed]) -> list[Try | Failed]:
        """Scale after scale; those that one left open fill the batches of the next."""
        found: dict[int, Try | Failed] = {n: case for n, case in enumerate(cases) if isinstance(case, Failed)}
        waiting = {place: case for place, case in enumerate(cases) if isinstance(case, Case)}
        for number, scale in enumerate(self.step.search.tried(self.step.mode), 1):
            for places in _batches(list(waiting), self.worker.batch_size):
                tries = self._tried([waiting[place] for place in places], scale, number)
                found |= {
                    place: one
                    for place, one in zip(places, tries, strict=True)
                    if isinstance(one, Try) or place not in found  # what an earlier scale came to is kept
                }
            waiting = {place: case for place, case in waiting.items() if _is_open(found[place])}
        return [found[place] for place in range(len(cases))]

    def case(self, question: Question) -> Case | Failed:
        """What is computed once, for each image by itself, so that it does not depend on the others."""
        model, plan = self.search.model, self.step.search
        try:
            picture = self.worker.pixels.image(question.image)
        except BadData as error:
            return Failed("", str(error))
        (before,) = probabilities(self.classifier, self.worker, [picture])
        if not np.isfinite(before).all():
            return Failed("", NO_NUMBER)
        if reason := objection(question, self.classifier, before):
            return Failed("", reason)
        noise = fresh_noise(model, _sources([question], "start"))
        canvas = open_canvas(picture, (model.shape[2], model.shape[1]), noise)
        source = canvas.source[None]
        step_B = torch.tensor([self.search.taken_back - 1 + plan.noised_further], device=source.device)
        return Case(
            question=question,
            canvas=canvas,
            start=noised(self.search.links, source, noise, step_B)[0],
            detail=canvas.detail(self.classifier.preparation),
            seen=self.look(source)[0] if self.look else None,
            before=before,
        )

    def searched(self, batch: Sequence[Case], scale: float, number: int) -> Found:
        """One scale for one batch, as numbers."""
        source, start = _stacked([case.canvas.source for case in batch]), _stacked([case.start for case in batch])
        sources = _sources([case.question for case in batch], number)
        return self.search(source, start, self._guide(batch, source, scale, number), sources)

    def _tried(self, cases: Sequence[Case], scale: float, number: int) -> list[Try | Failed]:
        """One scale for one batch; a deterministic worker's batches are all of one size."""
        missing = self.worker.batch_size - len(cases) if self.worker.deterministic else 0
        searched = self.searched([*cases, *[cases[-1]] * missing], scale, number)
        return [
            Failed("", f"{searched.lost[row]} at scale {scale:g}")
            if searched.lost[row]
            else self._try(case, searched, row, scale, number)
            for row, case in enumerate(cases)
        ]

    def _try(self, case: Case, searched: Found, row: int, scale: float, number: int) -> Try | Failed:
        picture = case.canvas.painted(searched.images[row])
        (after,) = probabilities(self.classifier, self.worker, [picture])
        if not np.isfinite(after).all():
            return Failed("", NO_NUMBER)
        flipped = answers(self.classifier, case.question, after)
        if not flipped and not searched.were_felt[row]:
            return Failed("", f"{NO_PULL} at scale {scale:g}")
        return Try(
            case=case,
            picture=picture,
            trace=tuple(clean[row] for clean in searched.trace),
            after=after,
            flipped=flipped,
            scale=scale,
            number=number,
        )

    def _guide(self, batch: Sequence[Case], source: Tensor, scale: float, number: int) -> Guide:
        """What pulls on a batch: it is asked about pictures as they would be given back."""
        classifier, preparation = self.classifier, self.classifier.preparation
        detail, several = _stacked([case.detail for case in batch]), classifier.has_several_labels
        wished = [{case.question.wanted, *case.question.also} for case in batch]
        marks = [[number in one for number in range(len(classifier.classes))] for one in wished]
        wishes = Wishes(
            outputs=torch.tensor(marks, device=source.device),
            present=torch.tensor([case.question.present for case in batch], device=source.device),
        )

        chances = _sources([case.question for case in batch], f"views {number}")

        def far(clean: Tensor) -> Tensor:
            colours = with_detail(clean, source, detail, preparation)
            views = seen_about(colours, self.step.search.seen(self.step.mode), chances)
            logits = classifier.network(normalised(torch.cat(views), preparation).to(self.search.model.dtype))
            said = logits.to(clean).chunk(len(views))
            return torch.stack([reluctance(one, wishes, self.step.search.answer, several) for one in said]).mean(0)

        return Guide(
            source=source,
            reluctance=far,
            strangeness=self._strangeness(batch),
            scale=scale,
            losses=self.step.search.losses,
            rescaled=self.step.search.rescales(self.step.mode),
        )

    def _strangeness(self, batch: Sequence[Case]) -> Loss | None:
        """How other changed pictures look than their sources, which were looked at once."""
        look, seen = self.look, [case.seen for case in batch if case.seen is not None]
        if look is None:
            return None
        seen_BD = _stacked(seen)
        return lambda clean: distance(look(clean), seen_BD)


def _batches(places: Sequence[int], size: int) -> list[Sequence[int]]:
    return [places[first : first + size] for first in range(0, len(places), size)]


def _is_open(found: Try | Failed) -> bool:
    return isinstance(found, Try) and not found.flipped


def _sources(questions: Sequence[Question], what: str | int) -> list[torch.Generator]:
    """A source of noise for each image that knows nothing of the others."""
    return [torch.Generator().manual_seed(seed_for("explain", question.seed, what)) for question in questions]


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(parts))
