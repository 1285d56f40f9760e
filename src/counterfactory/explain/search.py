"""DiME's search on one batch: noise is taken back step by step, and each step is pulled. Knows no file and no pool."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from counterfactory.diffusion.gaussian import Chain, at, noise_of, noised, respaced
from counterfactory.diffusion.sampling import Denoiser, Guess, fresh_noise, guess, step_back
from counterfactory.explain.guidance import Estimate, Pulls
from counterfactory.explain.step import Mask, Mode, Plan

NO_GUESS = "the denoiser's answer is no number (NaN or infinite)"
NO_GUESS_THERE = "the pulls led to where the denoiser's answer is no number (NaN or infinite)"
NO_GRADIENT = "the classifier gave no usable gradients (NaN or infinite)"
NO_WAY_BACK = "the gradients of `search.losses` are no numbers (NaN or infinite)"

Pull = Callable[[Estimate], Pulls]
Fault = tuple[str, Tensor]  # what went wrong, and of which images of the batch
Sources = Sequence[torch.Generator]  # of noise, one for each image


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """Changed images, the clean estimates that led there, and what is to be known of the way."""

    images: Tensor
    trace: list[Tensor]
    lost: list[str]  # what of each went wrong first; empty where nothing did
    were_felt: Tensor  # (B,), whether any step had a gradient of the answer


@dataclass(frozen=True, kw_only=True, eq=False)
class Search:
    """How every batch is searched."""

    plan: Plan
    mode: Mode
    model: Denoiser
    links: Chain
    traced: bool = False  # keeps the clean estimates

    @property
    def taken_back(self) -> int:
        """How many steps lie between a noised source and its picture."""
        return self.plan.taken_back(self.mode, len(self.links))

    @torch.no_grad()
    def __call__(self, source: Tensor, start: Tensor, pull: Pull, sources: Sources) -> Found:
        """From noised sources to images that are answered otherwise (DiME, algorithm 1).

        What the network says of a noisy image serves its clean estimate and then its step back: one call for both.
        """
        count, x_BCHW, trace, mask = self.taken_back, start, [], self.plan.held(self.mode)
        first, faults = count - 1, []
        were_felt = torch.zeros(len(source), dtype=torch.bool, device=source.device)
        for number in range(first, -1, -1):
            is_guided = first - number < (self.plan.guided or count)
            is_known = is_guided and self.plan.leads_back(self.mode)
            with torch.set_grad_enabled(is_known):
                noisy = x_BCHW.detach().requires_grad_(is_known)
                guessed = self._guess(noisy, number)
            no_guess = NO_GUESS if number == first else NO_GUESS_THERE
            faults += [(no_guess, _broken(guessed.mean + guessed.log_variance))]
            if is_guided:
                clean = source if number == first and not is_known else self._clean(noisy, guessed, number, sources)
                signal = at(self.links.signal, self._at(number, source))
                at_once = guessed.clean if is_known else None
                pulls = pull(Estimate(clean=clean, noisy=noisy, signal=signal, at_once=at_once))
                were_felt |= pulls.are_felt
                faults += [(no_guess, _broken(clean))]
                faults += [(NO_GRADIENT, _broken(pulls.towards)), (NO_WAY_BACK, _broken(pulls.back))]
                change = guessed.log_variance.exp() * pulls.whole.nan_to_num(0, 0, 0)
                guessed = replace(guessed, mean=guessed.mean - change)
                trace += [clean.detach()] if self.traced else []
            x_BCHW = step_back(guessed, fresh_noise(self.model, sources), self._at(number, source))
            if mask and number < count * (1 - mask.starts):
                free = changing(guessed.clean, source, mask)
                x_BCHW = torch.where(free, x_BCHW, self._under_noise(source, number, sources))
        return Found(images=x_BCHW.clamp(-1, 1), trace=trace, lost=_first_of(faults), were_felt=were_felt)

    def _clean(self, x_BCHW: Tensor, guessed: Guess, number: int, sources: Sources) -> Tensor:
        """The image that a noisy one is on the way to, by the whole chain, in a few leaps or in one."""
        if self.mode == "exact":
            return self._whole_chain(guessed, number, sources)
        leaps = self.plan.leaps if self.mode == "chained" else 1
        return self._leapt(x_BCHW, guessed, number, leaps)

    def _whole_chain(self, guessed: Guess, number: int, sources: Sources) -> Tensor:
        """By every step that is left, as published."""
        for left in reversed(range(number + 1)):
            noise = fresh_noise(self.model, sources) if self.plan.inner == "sampled" else None
            x_BCHW = guessed.mean if noise is None else step_back(guessed, noise, self._at(left, guessed.mean))
            if left:
                guessed = self._guess(x_BCHW, left - 1)
        return x_BCHW

    def _leapt(self, x_BCHW: Tensor, guessed: Guess, number: int, leaps: int) -> Tensor:
        """By leaps in which nothing is random (DDIM, eq. 12); a single one is what the network says at once."""
        stops = respaced(number + 1, min(leaps, number + 1))[::-1] if leaps > 1 else [number]
        clean = guessed.clean
        for here, there in pairwise(stops):
            noise = noise_of(self.links, x_BCHW, clean, self._at(here, clean))
            x_BCHW = noised(self.links, clean, noise, self._at(there, clean))
            clean = self._guess(x_BCHW, there).clean
        return clean

    def _under_noise(self, source: Tensor, number: int, sources: Sources) -> Tensor:
        """The source as noisy as one step back from here."""
        noise = fresh_noise(self.model, sources)
        return noised(self.links, source, noise, self._at(number - 1, source)) if number else source

    def _guess(self, x_BCHW: Tensor, number: int) -> Guess:
        return guess(self.model, self.links, x_BCHW, self._at(number, x_BCHW))

    def _at(self, number: int, like: Tensor) -> Tensor:
        return torch.full((len(like),), number, device=like.device)


def _broken(x_BCHW: Tensor) -> Tensor:
    """Of which images (B,) anything is no number."""
    return ~x_BCHW.isfinite().flatten(1).all(1)


def _first_of(faults: Sequence[Fault]) -> list[str]:
    """What went wrong first with each image; empty where nothing did."""
    rows = torch.stack([marks for _, marks in faults], 1).tolist()
    return [next((name for (name, _), is_so in zip(faults, row, strict=True) if is_so), "") for row in rows]


def changing(clean: Tensor, source: Tensor, mask: Mask) -> Tensor:
    """Where (B, 1, H, W) an estimate changes its source by a share of the most that it does, and around."""
    change = (clean - source).abs().sum(1, keepdim=True)
    near = functional.max_pool2d(change, 2 * mask.reach + 1, stride=1, padding=mask.reach)
    return near > mask.threshold * change.amax((1, 2, 3), keepdim=True)
