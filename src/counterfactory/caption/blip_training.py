"""Trains a BLIP captioner (Li et al. 2022): the next word of a picture's caption, given the picture and the words."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessorPil,
    BlipProcessor,
)

from counterfactory.caption.trainers import CaptionTrainer
from counterfactory.caption.words import learn_words
from counterfactory.keys import seed_for
from counterfactory.names import model_folder
from counterfactory.training.arrays import kept_pictures
from counterfactory.training.captions import captions_of
from counterfactory.training.checkpoint import Progress
from counterfactory.training.eyes import see_as_clip
from counterfactory.training.fitting import Lesson, Rows, learn
from counterfactory.training.grid import save_grid
from counterfactory.training.pictures import to_tensor
from counterfactory.training.quality import note_quality
from counterfactory.training.saving import save_half
from counterfactory.training.team import Team, together
from counterfactory.training.tokenizer import tokens
from counterfactory.types import Dataset
from counterfactory.worker import Worker

UNASKED = -100  # a label that the loss passes over
ASKED = 256  # pictures that the captioner is measured on
SHOWN = 24  # pictures in the grid
HALF = (0.5, 0.5, 0.5)  # mean and deviation: pictures from -1 to 1


def trained(
    trainer: CaptionTrainer,
    worker: Worker,
    folder: Path,
    datasets: Mapping[str, Dataset],
    pictures: Mapping[str, Path] | None = None,
) -> Mapping[str, Any]:
    """Trains and keeps the state; `pictures` are the splits' arrays where they lie under other words."""
    training = folder / "training"
    training.mkdir(parents=True, exist_ok=True)
    asked = "validation" if "validation" in datasets else "train"
    captions = {split: captions_of(datasets[split]) for split in ("train", asked)}
    tokenizer = learn_words(captions["train"], trainer.vocabulary, trainer.length)
    _save_processor(tokenizer, trainer.size, folder)
    np.save(training / "tokens.npy", tokens(tokenizer, captions["train"]).numpy().astype(np.int32))
    paths = pictures or {split: kept_pictures(worker, datasets[split], trainer.size) for split in captions}
    task = Task(
        trainer=trainer,
        worker=worker,
        folder=folder,
        pictures=paths["train"],
        asked=paths[asked],
        captions=tuple(captions[asked][:ASKED]),
    )
    return together(task, trainer.schedule.processes)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What each process of a training does: a value that travels."""

    trainer: CaptionTrainer
    worker: Worker
    folder: Path
    pictures: Path
    asked: Path
    captions: tuple[str, ...]  # of the asked pictures

    def __call__(self, team: Team) -> dict[str, Any]:
        training, device = self.folder / "training", self.worker.device
        tokenizer = BertTokenizer.from_pretrained(self.folder)
        data = Data(
            pixels=np.load(self.pictures, mmap_mode="r"),
            tokens=torch.from_numpy(np.load(training / "tokens.npy")).to(device),
            nothing=tokenizer.pad_token_id,
        )
        module = build(self.trainer, tokenizer)
        if self.trainer.start is not None:
            see_as_clip(module.vision_model, model_folder(self.trainer.start), to_tensor(data.pixels[:ASKED]))
        pictures = to_tensor(np.load(self.asked, mmap_mode="r")[:ASKED]).to(device)
        asked = Asked(pictures=pictures, captions=self.captions)
        lesson = Lesson(
            module=module,
            length=len(data.tokens),
            loss=data.loss,
            show=lambda average, progress: _show(average, progress, asked, tokenizer, self.folder),
        )
        return learn(lesson, self.trainer.schedule, self.worker, self.folder, team)


@dataclass(frozen=True, kw_only=True, eq=False)
class Data:
    """Pictures, and what is said of each."""

    pixels: np.ndarray
    tokens: Tensor
    nothing: int

    def loss(self, module: Any, rows: Rows, generator: torch.Generator) -> Tensor:
        """How surprising the captions' words are."""
        said = self.tokens[torch.from_numpy(rows).to(generator.device)].long()
        said = said[:, : int((said != self.nothing).sum(1).max())]
        labels = said.masked_fill(said == self.nothing, UNASKED)
        x_BCHW = to_tensor(self.pixels[rows]).to(generator.device)
        loss: Tensor = module(pixel_values=x_BCHW, input_ids=said, labels=labels).loss
        return loss


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """Pictures that are not learnt from, and their captions."""

    pictures: Tensor
    captions: tuple[str, ...]


def build(trainer: CaptionTrainer, tokenizer: BertTokenizer) -> Any:
    """A captioner for a tokenizer; its first weights follow from the seed alone."""
    text = {
        **trainer.text.config,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": trainer.length,
        "bos_token_id": tokenizer.cls_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": False,  # a training's state is kept tensor by tensor
    }
    image = {
        **trainer.image.config,
        "image_size": trainer.size,
        "patch_size": trainer.patch,
        "initializer_range": 0.02,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("captioner", trainer.schedule.seed))
        return BlipForConditionalGeneration(
            BlipConfig(text_config=text, vision_config=image, tie_word_embeddings=False)
        )


@torch.no_grad()
def _show(module: Any, progress: Progress, asked: Asked, tokenizer: BertTokenizer, folder: Path) -> dict[str, Any]:
    """Writes the weights, and what is said of pictures that were not learnt from, for a person to read."""
    save_half(module, folder)
    said = module.generate(
        pixel_values=asked.pictures, max_new_tokens=module.config.text_config.max_position_embeddings - 1
    )
    texts = tokenizer.batch_decode(said, skip_special_tokens=True)
    right = [text == caption for text, caption in zip(texts, asked.captions, strict=True)]
    numbers = {"images": progress.images, "same_words": sum(right) / len(right)}
    save_grid(asked.pictures[:SHOWN], 8, folder / "training" / "grid.png")
    (folder / "training" / "grid.txt").write_text("\n".join(texts[:SHOWN]) + "\n")
    note_quality(folder, numbers)
    return numbers


def _save_processor(tokenizer: BertTokenizer, size: int, folder: Path) -> None:
    pictures = BlipImageProcessorPil(size={"height": size, "width": size}, image_mean=list(HALF), image_std=list(HALF))
    processor: Any = BlipProcessor  # untyped in transformers
    processor(pictures, tokenizer).save_pretrained(folder)
    pictures.save_pretrained(folder)  # for programs that read the picture's side alone
