"""A zoo of tiny models that have learnt nothing, as trainings leave it, and the same packed; no classifiers in it."""

import json
from pathlib import Path
from typing import Any

import torch

from companions import COURSE, SIZE, data, save_base, worker
from counterfactory.caption import blip_training
from counterfactory.caption.trainers import CaptionTrainer
from counterfactory.diffusion import control, pixel
from counterfactory.diffusion.adapters import save_adapter
from counterfactory.diffusion.attention import build_adapter
from counterfactory.diffusion.drawing import open_parts
from counterfactory.diffusion.image_encoder import ENCODER, load_image_encoder
from counterfactory.diffusion.trainers import ControlTrainer, PixelNetwork, PixelTrainer
from counterfactory.score import clip_training
from counterfactory.score.trainers import ClipTrainer
from counterfactory.training.saving import save_half
from counterfactory.training.schedule import Schedule
from counterfactory.training.towers import Tower
from counterfactory.zoo import judge_network, judging
from counterfactory.zoo.judge import FACTORS
from counterfactory.zoo.order import NUMBERS
from counterfactory.zoo.wording import plainly

TOWER = Tower(width=8, layers=1, heads=2)
SHORT = Schedule(images=2, batch_size=2)


def save_trainings(folder: Path) -> Path:
    """A folder for each model."""
    save_base(folder / "latent")
    _save_companions(folder)
    _save_readers(folder)
    _save_pixel(folder / "ddpm")
    save_judge(folder / "judge")
    for model in [path for path in folder.iterdir() if path.is_dir()]:
        (model / "training").mkdir(exist_ok=True)
        (model / "training" / "checkpoint.safetensors").write_text("state")
        (model / NUMBERS).write_text(
            json.dumps({"images": 1234, "seconds": 60.0, "psnr": 28.125, "mask": {"iou": 0.5}})
        )
    return folder


def save_judge(folder: Path) -> Path:
    """A judge that guesses."""
    trainer = judging.JudgeTrainer(channels=(8, 8, 8))
    judge_network.save(judging.build(trainer), {"channels": trainer.channels, "factors": FACTORS}, folder)
    return folder


def _save_companions(folder: Path) -> None:
    base = folder / "latent"
    parts = open_parts(str(base), "cpu")
    for kind in ("edges", "masks"):
        trainer = ControlTrainer.model_validate({"base": str(base), "control": kind, "schedule": COURSE, "size": SIZE})
        save_half(control.build(trainer, parts), folder / f"controlnet_{kind}")


def _save_readers(folder: Path) -> None:
    """The CLIP, the IP-Adapter that looks through its eyes, and the captioner."""
    sets = {split: plainly(part) for split, part in data(8, 2).items()}
    site, shapes = worker(folder / "workspace"), {"size": SIZE, "patch": 8, "image": TOWER, "text": TOWER}
    clip_training.trained(ClipTrainer(schedule=SHORT, embedding=8, **shapes), site, folder / "clip", sets)
    blip_training.trained(CaptionTrainer(schedule=SHORT, **shapes), site, folder / "captioner", sets)
    encoder = load_image_encoder(str(folder / "clip"), "cpu")
    adapter = build_adapter(open_parts(str(folder / "latent"), "cpu").unet, encoder.config.projection_dim)
    (folder / "ip_adapter").mkdir()
    save_adapter(adapter, folder / "ip_adapter")
    save_half(encoder, folder / "ip_adapter" / ENCODER)


def _save_pixel(folder: Path) -> None:
    shape = PixelNetwork(channels=(8, 8), attends=(False, True), head_width=4, groups=4)
    trainer = PixelTrainer(schedule=COURSE, network=shape, size=8, times=4)
    with torch.random.fork_rng():
        network: Any = pixel.build(trainer)
    pixel.save(network, pixel.scheduler(trainer), folder)
