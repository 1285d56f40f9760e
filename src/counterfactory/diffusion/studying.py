"""What words are learnt from: lots of pictures of each class, and how far a frozen model is off in drawing them.

Classes that learn together share calls of the networks and nothing else: each has its own source of pictures, words and
noise, and its own part of the loss.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from counterfactory.diffusion.drawing import Parts
from counterfactory.diffusion.foundation import Noising, guess
from counterfactory.diffusion.prompts import heard
from counterfactory.diffusion.spelling import Reader, Saying
from counterfactory.diffusion.trainers import InversionTrainer
from counterfactory.errors import BadConfig
from counterfactory.keys import seed_for
from counterfactory.training.fitting import Rows

LOOKS = 8  # batches by which a class's loss is told, the same before and after


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A class, the token that it gets, and the rows of the data that show it."""

    name: str
    token: str
    rows: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Lot:
    """Pictures of one class in latents, and what noise is laid on them, when, and what is said of them."""

    latents: Tensor
    noise: Tensor
    times: Tensor
    texts: list[Saying]


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """The frozen model, and the classes that learn together in it."""

    parts: Parts
    noising: Noising
    latents: list[np.ndarray]
    trainer: InversionTrainer
    size: int
    subjects: tuple[Subject, ...] = ()

    def begun(self) -> nn.ParameterList:
        """What is learnt, for each text encoder (classes, V, D), as it begins."""
        return nn.ParameterList([nn.Parameter(self._begun(reader)) for reader in self.parts.readers])

    def loss(self, module: Any, rows: Rows, generator: torch.Generator) -> Tensor:
        """The sum of what all classes lose: each has the gradient that it would have alone."""
        moment = int(torch.randint(2**31, (), generator=generator, device=generator.device))
        return self.losses(module, moment, len(rows)).sum()

    def losses(self, module: Any, moment: int, count: int) -> Tensor:
        """How far the frozen model is off for each class, in some pictures that follow from the moment."""
        lots = [self._lot(subject, moment, count) for subject in self.subjects]
        device = self.noising.signal.device
        x_BCHW, noise, times = (
            torch.cat([getattr(lot, name) for lot in lots]).to(device) for name in ("latents", "noise", "times")
        )
        words = heard(self._readers(module), [text for lot in lots for text in lot.texts], torch.float32)
        noised = self.noising.laid(x_BCHW, noise, times, torch.stack([said.each for said in words]))
        predicted = guess(self.parts, noised, words, self.size)
        return noised.each(predicted).view(len(lots), count).mean(1)

    @torch.no_grad()
    def judged(self, module: Any) -> list[float]:
        """The loss of each class, in pictures, noise and words that are the same whenever it is asked."""
        batch = self.trainer.schedule.batch_size
        looks = [self.losses(module, -1 - look, batch) for look in range(LOOKS)]
        mean: list[float] = torch.stack(looks).mean(0).tolist()
        return mean

    def _begun(self, reader: Reader) -> Tensor:
        starts = [_meaning(reader, self.trainer.start or subject.name) for subject in self.subjects]
        return torch.stack(starts)[:, None].repeat(1, self.trainer.vectors, 1)

    def _readers(self, module: Any) -> list[Reader]:
        """The frozen readers, who hear the vectors as they are now."""
        return [
            replace(reader, learnt={subject.token: one for subject, one in zip(self.subjects, vectors, strict=True)})
            for reader, vectors in zip(self.parts.readers, module, strict=True)
        ]

    def _lot(self, subject: Subject, moment: int, count: int) -> Lot:
        """From a source of the class's own: no picture comes again before all of the class have come."""
        own = torch.Generator().manual_seed(seed_for("tokens", subject.name, moment))
        turns = -(-count // len(subject.rows))
        picked = torch.cat([torch.randperm(len(subject.rows), generator=own) for _ in range(turns)])[:count]
        mirrored = torch.rand(count, generator=own) < self.trainer.flip
        said = torch.randint(len(self.trainer.templates), (count,), generator=own)
        each = zip(mirrored.tolist(), picked.tolist(), strict=True)
        latents = torch.from_numpy(np.stack([self.latents[way][subject.rows[row]] for way, row in each])).float()
        return Lot(
            latents=latents,
            noise=torch.randn(latents.shape, generator=own),
            times=torch.randint(len(self.noising.signal), (count,), generator=own),
            texts=[Saying(self.trainer.templates[number].replace("{}", subject.token)) for number in said],
        )


def _meaning(reader: Reader, words: str) -> Tensor:
    """The mean of what an encoder holds for each piece of some words."""
    ids = reader.tokenizer(words, add_special_tokens=False).input_ids
    if not ids:
        raise BadConfig(f"start: the tokenizer finds no word in {words!r}; give one that the vectors begin as.")
    table = reader.encoder.get_input_embeddings().weight
    mean: Tensor = table[torch.tensor(ids, device=table.device)].float().mean(0)
    return mean
