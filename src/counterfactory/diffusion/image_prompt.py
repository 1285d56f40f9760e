"""Trains an IP-Adapter: a frozen text-to-image model learns to draw what a picture shows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterfactory.diffusion.adapters import save_adapter
from counterfactory.diffusion.attention import Adapter, build_adapter, prompted
from counterfactory.diffusion.drawing import Parts, draw
from counterfactory.diffusion.foundation import Base, Material, kept_material, open_base
from counterfactory.diffusion.image_encoder import ENCODER, embedded, load_image_encoder
from counterfactory.diffusion.latent import GUIDANCE, STEPS
from counterfactory.diffusion.seeing import see
from counterfactory.diffusion.trainers import ImagePromptTrainer
from counterfactory.keys import dataset_key, seed_for
from counterfactory.names import identity
from counterfactory.training.arrays import array_path, kept_pictures, kept_rows
from counterfactory.training.checkpoint import Progress
from counterfactory.training.fitting import Lesson, Rows, learn
from counterfactory.training.grid import save_grid
from counterfactory.training.pictures import to_tensor
from counterfactory.training.quality import Opinion, no_opinion, note_quality
from counterfactory.training.saving import save_half
from counterfactory.training.team import Team, together
from counterfactory.types import Dataset, Request
from counterfactory.worker import Worker

SHOWN = 8  # pictures in the grid, each beside what is drawn after it
SCALES = (0.2, 0.8, 1.0)  # at these scales


def trained(
    trainer: ImagePromptTrainer,
    worker: Worker,
    folder: Path,
    datasets: Mapping[str, Dataset],
    opinion: Opinion = no_opinion,
) -> Mapping[str, Any]:
    """Trains to the end of the budget and keeps the state, from which a call with a larger budget goes on."""
    dataset = datasets["train"]
    shown = datasets.get("validation", dataset).samples[:SHOWN]
    task = Task(
        trainer=trainer,
        worker=worker,
        folder=folder,
        material=kept_material(worker, dataset, trainer.base, trainer.size, folder / "training"),
        embeddings=kept_embeddings(worker, dataset, trainer.encoder, trainer.size),
        asked=tuple(
            Request(prompt="", seed=seed, guidance=GUIDANCE, image_prompt=sample.image)
            for seed, sample in enumerate(shown)
        ),
        opinion=opinion,
    )
    return together(task, trainer.schedule.processes)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What each process of a training does: a value that travels."""

    trainer: ImagePromptTrainer
    worker: Worker
    folder: Path
    material: Material
    embeddings: Path
    asked: tuple[Request, ...]
    opinion: Opinion

    def __call__(self, team: Team) -> dict[str, Any]:
        base = open_base(self.trainer.base, self.material, self.worker)
        encoder = load_image_encoder(self.trainer.encoder, self.worker.device)
        module = build(self.trainer, base.parts, encoder.config.projection_dim).to(self.worker.device)
        embeddings = np.load(self.embeddings, mmap_mode="r")
        data = Data(base=base, unet=prompted(base.parts.unet, module), embeddings=embeddings, trainer=self.trainer)
        parts = replace(base.parts, image_encoder=encoder)

        def show(average: Any, progress: Progress) -> dict[str, Any]:
            return self._show(average, parts, progress)

        lesson = Lesson(
            module=module,
            length=len(embeddings),
            loss=lambda _, rows, generator: data.loss(rows, generator),  # the module listens inside of data.unet
            show=show,
        )
        return learn(lesson, self.trainer.schedule, self.worker, self.folder, team)

    def _show(self, adapter: Any, parts: Parts, progress: Progress) -> dict[str, Any]:
        """The folder is usable from the first checkpoint on; a person sees pictures and what is drawn after each."""
        save_adapter(adapter, self.folder)
        save_half(parts.image_encoder, self.folder / ENCODER)
        parts = replace(parts, unet=prompted(parts.unet, adapter))
        seen = see(parts, self.asked, self.worker.pixels)
        addresses = [request.image_prompt for request in self.asked if request.image_prompt]
        shown = to_tensor(self.worker.pixels.arrays(addresses, (self.trainer.size,) * 2))
        drawn = [
            draw(parts, [replace(r, image_prompt_scale=scale) for r in self.asked], STEPS, seen=seen).cpu()
            for scale in SCALES
        ]
        save_grid(torch.cat([shown, *drawn]), len(self.asked), self.folder / "training" / "grid.png")
        numbers = {"images": progress.images, **self.opinion(drawn[-1])}  # at the largest scale
        note_quality(self.folder, numbers)
        return numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class Data:
    """The frozen model's material, what the encoder says of each picture, and the network that learns to listen."""

    base: Base
    unet: Any
    embeddings: np.ndarray
    trainer: ImagePromptTrainer

    def loss(self, rows: Rows, generator: torch.Generator) -> Tensor:
        """How far the listening network is off, of pictures that are their own prompts."""
        noised = self.base.noised(rows, self.trainer.unsaid, generator)
        seen = torch.from_numpy(self.embeddings[rows]).to(noised.latents)
        blind = torch.rand(len(rows), generator=generator, device=seen.device) < self.trainer.unseen
        seen = seen.masked_fill(blind[:, None], 0)
        predicted = self.unet(
            noised.latents,
            noised.times,
            encoder_hidden_states=noised.text,
            added_cond_kwargs={"image_embeds": (seen, torch.ones_like(seen[:, 0]))},
        ).sample
        return noised.loss(predicted)


def build(trainer: ImagePromptTrainer, parts: Parts, embedding_width: int) -> Adapter:
    """An adapter whose first weights follow from the seed and the frozen network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("image-prompt", trainer.schedule.seed))
        return build_adapter(parts.unet, embedding_width)


def kept_embeddings(worker: Worker, dataset: Dataset, encoder: str, size: int) -> Path:
    """The array (N, D) of what an image encoder says of a data set's pictures."""
    network = load_image_encoder(encoder, worker.device)
    pictures = np.load(kept_pictures(worker, dataset, size), mmap_mode="r")
    path = array_path(worker, "image-embeddings", dataset_key(dataset), identity(encoder), size)
    shape = (len(dataset), network.config.projection_dim)
    return kept_rows(path, shape, np.float32, lambda start, stop: embedded(network, pictures[start:stop]).cpu().numpy())
