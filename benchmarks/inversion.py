"""What a step of textual inversion costs, ours and the published way, at the same gradient. Prints one JSON line.

The published way encodes its pictures at each step, recomputes what the networks were thinking (gradient checkpointing)
and takes the gradient of the whole table of words. Counted are the operations of one step, of the shipped model and, on
tensors without numbers, of networks as large as Stable Diffusion 1.5's; that the gradients agree is seen in the former.

python benchmarks/inversion.py [--batch 4]
"""

import argparse
import copy
import json
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPTextConfig, CLIPTextModel

from counterfactory.diffusion.drawing import Parts
from counterfactory.diffusion.foundation import Noising, open_frozen
from counterfactory.diffusion.latent import NOISING
from counterfactory.diffusion.latents import encode, kept_latents
from counterfactory.diffusion.studying import Study, Subject
from counterfactory.diffusion.trainers import InversionTrainer
from counterfactory.names import model_folder
from counterfactory.training.pictures import to_tensor
from counterfactory.training.tokenizer import learn_tokenizer, tokens
from counterfactory.types import Dataset
from counterfactory.worker import Worker
from counterfactory.zoo.world import seen_scenes

ZOO, SHOTS = "zoo:diorama", 4
SUBJECT = Subject(name="boat", token="<boat>", rows=tuple(range(SHOTS)))  # noqa: S106


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=4)
    batch = parser.parse_args().batch
    with tempfile.TemporaryDirectory() as folder, sdpa_kernel(SDPBackend.MATH):
        study, pictures = shipped(Worker(workspace=Path(folder)))
        large, blank = as_large_as_stable_diffusion()
        said = {
            "batch": batch,
            **agreement(study, pictures, batch),
            "zoo": compared(study, pictures, batch),
            "sd15_512": compared(large, blank, batch),
        }
    print(json.dumps(said))


def compared(study: Study, pictures: Tensor, batch: int) -> dict[str, float]:
    """Operations of one step each way."""
    ours = counted(lambda: our_gradient(study, batch))
    theirs = counted(lambda: published_gradient(study, pictures, batch))
    unchecked = counted(lambda: published_gradient(study, pictures, batch, recomputes=False))
    return {
        "ours_gflops": round(ours / 1e9, 2),
        "published_gflops": round(theirs / 1e9, 2),
        "ratio": round(theirs / ours, 2),
        "ratio_were_nothing_recomputed": round(unchecked / ours, 2),
    }


def agreement(study: Study, pictures: Tensor, batch: int) -> dict[str, float]:
    """How alike the two gradients are; kept latents are of 16 bits."""
    ours, theirs = our_gradient(study, batch).flatten(), published_gradient(study, pictures, batch).flatten()
    cosine = torch.cosine_similarity(ours, theirs, 0).item()
    assert cosine > 0.999, f"the gradients differ: their cosine is {cosine}"
    return {
        "gradient_cosine": round(cosine, 6),
        "gradient_difference": round(((ours - theirs).norm() / theirs.norm()).item(), 6),
    }


def counted(step: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def our_gradient(study: Study, batch: int) -> Tensor:
    module = study.begun()
    (gradient,) = torch.autograd.grad(study.losses(module, 0, batch).sum(), list(module.parameters()))
    return gradient[0, 0]


def published_gradient(study: Study, pictures: Tensor, batch: int, recomputes: bool = True) -> Tensor:
    """The same loss as scripts have it: the picture's latents anew, a word more in the table, all of it learning."""
    tokenizer, encoder, unet = (
        copy.deepcopy(one) for one in (study.parts.tokenizer, study.parts.text_encoder, study.parts.unet)
    )
    tokenizer.add_tokens(SUBJECT.token)
    encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    table = encoder.get_input_embeddings().weight.requires_grad_(True)
    number = tokenizer.convert_tokens_to_ids(SUBJECT.token)
    table.data[number] = study.begun()[0][0, 0].detach()
    if recomputes:
        unet.train().enable_gradient_checkpointing()
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # the name that older versions know
            encoder.train().gradient_checkpointing_enable()
    lot = study._lot(SUBJECT, 0, batch)
    device = study.noising.signal.device
    shown = pictures[rows_shown(study, lot.latents)] if device.type == "cpu" else pictures[:1].repeat(batch, 1, 1, 1)
    latents = encode(study.parts.autoencoder, shown)
    said = tokens(tokenizer, [text.text for text in lot.texts]).to(device)
    noised = study.noising.laid(latents, lot.noise.to(device), lot.times.to(device), encoder(said)[0])
    predicted = unet(noised.latents, noised.times, encoder_hidden_states=noised.text).sample
    noised.loss(predicted).backward()
    return table.grad[number]


def rows_shown(study: Study, latents: Tensor) -> list[int]:
    """Which pictures a lot shows, those as they are before those mirrored."""
    known = torch.from_numpy(np.concatenate(study.latents)).float()
    return [int((known - one).flatten(1).norm(dim=1).argmin()) for one in latents]


def shipped(worker: Worker) -> tuple[Study, Tensor]:
    """The zoo's model and pictures of one class, as they are and mirrored."""
    whole = seen_scenes("tokens", 100)
    boats = [replace(s, target=0) for s in whole.samples if whole.classes[s.target] == SUBJECT.name]
    dataset = Dataset(samples=tuple(boats[:SHOTS]), classes=(SUBJECT.name,))
    parts, noising = open_frozen(ZOO, worker)
    autoencoder = str(model_folder(ZOO) / "vae")
    paths = [kept_latents(worker, dataset, autoencoder, 64, mirrored=way) for way in (False, True)]
    shown = to_tensor(worker.pixels.arrays([sample.image for sample in dataset.samples], (64, 64)))
    study = Study(
        parts=parts,
        noising=noising,
        latents=[np.load(path) for path in paths],
        trainer=InversionTrainer(base=ZOO),
        size=64,
        subjects=(SUBJECT,),
    )
    return study, torch.cat([shown, shown.flip(-1)])


def as_large_as_stable_diffusion() -> tuple[Study, Tensor]:
    """Networks of Stable Diffusion 1.5's shapes, of which only shapes are computed, and a picture of 512 pixels."""
    tokenizer = learn_tokenizer(["a boat"], 600, 77)
    scheduler: Any = DDPMScheduler
    with torch.device("meta"):
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
        autoencoder = AutoencoderKL(
            down_block_types=["DownEncoderBlock2D"] * 4,
            up_block_types=["UpDecoderBlock2D"] * 4,
            block_out_channels=[128, 256, 512, 512],
            layers_per_block=2,
            scaling_factor=0.18215,
        )
        words = CLIPTextConfig(
            hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, vocab_size=49408
        )
        encoder = CLIPTextModel(words)
    for network in (unet, autoencoder, encoder):
        network.eval().requires_grad_(False)
    noise = scheduler(**NOISING)
    parts = Parts(unet=unet, autoencoder=autoencoder, text_encoder=encoder, tokenizer=tokenizer, scheduler=noise)
    study = Study(
        parts=parts,
        noising=Noising(signal=noise.alphas_cumprod.to("meta"), predicts_velocity=False),
        latents=[np.zeros((SHOTS, 4, 64, 64), np.float16)] * 2,
        trainer=InversionTrainer(base=ZOO),
        size=512,
        subjects=(SUBJECT,),
    )
    return study, torch.zeros(1, 3, 512, 512, device="meta")


if __name__ == "__main__":
    main()
