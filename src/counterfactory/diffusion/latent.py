"""Trains a text-to-image model in an autoencoder's latents: the denoising network and its text encoder together."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTokenizer

from counterfactory.diffusion.drawing import Parts, draw
from counterfactory.diffusion.latents import kept_latents, load_autoencoder
from counterfactory.diffusion.saving import save_pipeline
from counterfactory.diffusion.text import build_encoder
from counterfactory.diffusion.trainers import LatentTrainer
from counterfactory.errors import BadData
from counterfactory.keys import seed_for
from counterfactory.training.checkpoint import Progress
from counterfactory.training.fitting import Lesson, Rows, learn
from counterfactory.training.grid import save_grid
from counterfactory.training.quality import Opinion, no_opinion, note_quality
from counterfactory.training.team import Team, together
from counterfactory.training.tokenizer import learn_tokenizer, save_tokenizer, tokens
from counterfactory.types import Dataset, Request
from counterfactory.worker import Worker

NOISING = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000}
BOUND = 5.0  # of the signal-to-noise ratio in the loss's weight (Hang et al. 2023)
SHOWN = 24  # pictures in the grid
STEPS, GUIDANCE = 20, 4.0


def trained(
    trainer: LatentTrainer,
    worker: Worker,
    folder: Path,
    datasets: Mapping[str, Dataset],
    opinion: Opinion = no_opinion,
) -> Mapping[str, Any]:
    """Trains to the end of the budget and keeps the state, from which a call with a larger budget goes on."""
    training = folder / "training"
    training.mkdir(parents=True, exist_ok=True)
    captions = all_captions(datasets["train"])
    latents = kept_latents(worker, datasets["train"], trainer.autoencoder, trainer.size)
    tokenizer = learn_tokenizer(captions, trainer.vocabulary, trainer.length)
    save_tokenizer(tokenizer, folder / "tokenizer")
    np.save(training / "tokens.npy", tokens(tokenizer, captions).numpy().astype(np.int32))
    shown = all_captions(datasets.get("validation", datasets["train"]))[:SHOWN]
    task = Task(trainer=trainer, worker=worker, folder=folder, latents=latents, shown=tuple(shown), opinion=opinion)
    return together(task, trainer.schedule.processes)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What each process of a training does: a value that travels."""

    trainer: LatentTrainer
    worker: Worker
    folder: Path
    latents: Path
    shown: tuple[str, ...]
    opinion: Opinion

    def __call__(self, team: Team) -> dict[str, Any]:
        noising: Any = DDPMScheduler
        device, training = self.worker.device, self.folder / "training"
        tokenizer = CLIPTokenizer.from_pretrained(self.folder / "tokenizer")
        data = Data(
            latents=np.load(self.latents, mmap_mode="r"),
            tokens=torch.from_numpy(np.load(training / "tokens.npy")).to(device),
            nothing=tokens(tokenizer, [""]).to(device, torch.int32),
            signal=noising(**NOISING).alphas_cumprod.to(device),
            unsaid=self.trainer.unsaid,
        )
        autoencoder = load_autoencoder(self.trainer.autoencoder, device)
        module: Any = build(self.trainer, tokenizer, data.latents.shape)
        if self.worker.dtype == "float32":
            module["unet"].to(memory_format=torch.channels_last)  # a tenth to a fifth faster; in bfloat16 slower

        def show(average: Any, progress: Progress) -> dict[str, Any]:
            return self._show(parts_of(average, autoencoder, tokenizer), progress)

        lesson = Lesson(module=module, length=len(data.latents), loss=data.loss, show=show)
        return learn(lesson, self.trainer.schedule, self.worker, self.folder, team)

    def _show(self, parts: Parts, progress: Progress) -> dict[str, Any]:
        """The folder is usable from the first checkpoint on, and a person sees how far it has come."""
        save_pipeline(parts, self.folder)
        requests = [Request(prompt=text, seed=seed, guidance=GUIDANCE) for seed, text in enumerate(self.shown)]
        drawn = draw(parts, requests, STEPS)
        save_grid(drawn, 8, self.folder / "training" / "grid.png")
        (self.folder / "training" / "grid.txt").write_text("\n".join(self.shown) + "\n")
        numbers = {"images": progress.images, **self.opinion(drawn)}
        note_quality(self.folder, numbers)
        return numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class Data:
    """Latents and what is said of them, and how noise is laid on."""

    latents: np.ndarray
    tokens: Tensor
    nothing: Tensor
    signal: Tensor  # what is left of the signal's power at each time
    unsaid: float

    def loss(self, module: Any, rows: Rows, generator: torch.Generator) -> Tensor:
        """How far the predicted velocity is off (Salimans & Ho 2022), times 0.5 + a weight bounded in the ratio."""
        device = self.signal.device
        x_BCHW = torch.from_numpy(self.latents[rows]).to(device).float()
        said = self.tokens[torch.from_numpy(rows).to(device)]
        silent = torch.rand(len(rows), generator=generator, device=device) < self.unsaid
        said = torch.where(silent[:, None], self.nothing, said)
        times = torch.randint(len(self.signal), (len(rows),), generator=generator, device=device)
        noise = torch.randn(x_BCHW.shape, generator=generator, device=device)
        power = self.signal[times][:, None, None, None]
        noisy = power.sqrt() * x_BCHW + (1 - power).sqrt() * noise
        velocity = power.sqrt() * noise - (1 - power).sqrt() * x_BCHW
        text = module["text_encoder"](said.long())[0]
        predicted = module["unet"](noisy, times, encoder_hidden_states=text).sample.float()
        each: Tensor = weights(power.flatten()) * (predicted - velocity).pow(2).mean((1, 2, 3))
        return each.mean()


def weights(power: Tensor) -> Tensor:
    """Of each time in the loss: min-SNR for velocities, and a half everywhere so that no time is forgotten."""
    ratio = power / (1 - power)
    return 0.5 + ratio.clamp(max=BOUND) / (ratio + 1)


def build(trainer: LatentTrainer, tokenizer: CLIPTokenizer, shape: tuple[int, ...]) -> nn.ModuleDict:
    """The two networks that learn, for latents of `shape` (N, C, H, W); their first weights follow from the seed."""
    shapes = trainer.network
    attends = shapes.attends
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("latent", trainer.schedule.seed))
        unet: Any = UNet2DConditionModel
        network = unet(
            sample_size=shape[2],
            in_channels=shape[1],
            out_channels=shape[1],
            down_block_types=["CrossAttnDownBlock2D" if looks else "DownBlock2D" for looks in attends],
            up_block_types=["CrossAttnUpBlock2D" if looks else "UpBlock2D" for looks in reversed(attends)],
            block_out_channels=shapes.channels,
            layers_per_block=shapes.layers,
            cross_attention_dim=shapes.text_width,
            attention_head_dim=shapes.heads,  # diffusers' name for their number
            norm_num_groups=shapes.groups,
        )
        return nn.ModuleDict({"unet": network, "text_encoder": build_encoder(tokenizer, shapes)})


def parts_of(module: Any, autoencoder: Any, tokenizer: CLIPTokenizer) -> Parts:
    """What draws with the networks as they are in training."""
    scheduler: Any = DPMSolverMultistepScheduler
    return Parts(
        unet=module["unet"],
        autoencoder=autoencoder,
        text_encoder=module["text_encoder"],
        tokenizer=tokenizer,
        scheduler=scheduler(
            **NOISING,
            prediction_type="v_prediction",
            timestep_spacing="trailing",
            final_sigmas_type="zero",
            steps_offset=1,
        ),
    )


def all_captions(dataset: Dataset) -> list[str]:
    """What is said of every picture; one without words cannot be learnt from here."""
    silent = [sample.image.place for sample in dataset.samples if not sample.caption]
    if silent:
        raise BadData(
            f"{len(silent)} of {len(dataset)} images have no caption, among them {silent[0]}; caption them first."
        )
    return [sample.caption or "" for sample in dataset.samples]
