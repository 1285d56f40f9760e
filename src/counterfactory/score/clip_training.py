"""Trains a CLIP (Radford et al. 2021): each picture of a batch is to find its caption, each caption its picture.

In a batch of captions from a small world several may read alike: such a text belongs to every picture that has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor, CLIPTokenizer

from counterfactory.keys import seed_for
from counterfactory.names import model_folder
from counterfactory.score.rivals import rivals
from counterfactory.score.trainers import ClipTrainer
from counterfactory.training.arrays import kept_pictures
from counterfactory.training.captions import captions_of
from counterfactory.training.checkpoint import NAME, Progress
from counterfactory.training.eyes import see_as_blip
from counterfactory.training.fitting import Lesson, Rows, learn
from counterfactory.training.pictures import to_tensor
from counterfactory.training.quality import note_quality
from counterfactory.training.saving import save_half
from counterfactory.training.team import Team, together
from counterfactory.training.tokenizer import learn_tokenizer, save_tokenizer, tokens
from counterfactory.types import Dataset
from counterfactory.worker import Worker

SHARPEST = 100.0  # the scale of similarities grows no further
CHOICE = 32  # different captions among which a picture is to find its own
ASKED = 1024  # pictures that this is measured on
HALF = (0.5, 0.5, 0.5)  # mean and deviation: pictures from -1 to 1


def trained(
    trainer: ClipTrainer,
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
    tokenizer = _tokenizer(trainer, captions["train"], folder)
    np.save(training / "tokens.npy", tokens(tokenizer, captions["train"]).numpy().astype(np.int32))
    np.save(training / "rivals.npy", rivals(captions["train"], trainer.rivals, trainer.schedule.seed))
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

    trainer: ClipTrainer
    worker: Worker
    folder: Path
    pictures: Path
    asked: Path
    captions: tuple[str, ...]  # of the asked pictures

    def __call__(self, team: Team) -> dict[str, Any]:
        training, device = self.folder / "training", self.worker.device
        tokenizer = CLIPTokenizer.from_pretrained(self.folder)
        said = np.load(training / "tokens.npy")
        data = Data(
            pixels=np.load(self.pictures, mmap_mode="r"),
            tokens=torch.from_numpy(said).to(device),
            texts=torch.from_numpy(np.unique(said, axis=0, return_inverse=True)[1].reshape(-1)).to(device),
            rivals=np.load(training / "rivals.npy"),
            end=tokenizer.eos_token_id,
        )
        module = build(self.trainer, tokenizer)
        if self.trainer.start is not None:
            see_as_blip(module.vision_model, model_folder(self.trainer.start), to_tensor(data.pixels[:ASKED]))
        pictures = to_tensor(np.load(self.asked, mmap_mode="r")[:ASKED]).to(device)
        asked = Asked(pictures=pictures, said=tokens(tokenizer, self.captions).to(device), captions=self.captions)
        lesson = Lesson(
            module=module,
            length=len(said),
            loss=data.loss,
            show=lambda average, progress: _show(average, progress, asked, tokenizer, self.folder),
        )
        return learn(lesson, self.trainer.schedule, self.worker, self.folder, team)


@dataclass(frozen=True, kw_only=True, eq=False)
class Data:
    """Pictures, what is said of each, and which of them have the same text."""

    pixels: np.ndarray
    tokens: Tensor
    texts: Tensor  # the number of each picture's text: equal texts, equal numbers
    rivals: np.ndarray  # (N, K) rows whose texts are nearly each picture's own
    end: int

    def loss(self, module: Any, rows: Rows, generator: torch.Generator) -> Tensor:
        """How surprising the right pairs are among all pairs of the batch, and of pictures with rivals' texts."""
        said = torch.from_numpy(np.concatenate([rows, self.rivals[rows].flatten()])).to(generator.device)
        x_BCHW = to_tensor(self.pixels[rows]).to(generator.device)
        images_BD, texts_TD = embedded(module, x_BCHW, shortened(self.tokens[said].long(), self.end))
        scale = module.logit_scale.exp().clamp(max=SHARPEST)
        return contrast(scale * images_BD @ texts_TD.T, self.texts[said])


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """Pictures that are not learnt from, and their captions."""

    pictures: Tensor
    said: Tensor
    captions: tuple[str, ...]


def contrast(logits_BT: Tensor, texts_T: Tensor) -> Tensor:
    """Cross-entropy of texts for each picture, and of pictures for each picture's own text; equal texts are alike.

    The first B of the T texts are the pictures' own.
    """
    count = len(logits_BT)
    alike_BT = (texts_T[:count, None] == texts_T[None]).to(logits_BT.dtype)
    found = functional.cross_entropy(logits_BT, _shares(alike_BT))
    return (found + functional.cross_entropy(logits_BT[:, :count].T, _shares(alike_BT[:, :count]))) / 2


def _shares(alike: Tensor) -> Tensor:
    return alike / alike.sum(1, keepdim=True)


def embedded(module: Any, x_BCHW: Tensor, said: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures and texts as directions in the one space."""
    images = module.get_image_features(pixel_values=x_BCHW).pooler_output
    texts = module.get_text_features(input_ids=said).pooler_output
    return functional.normalize(images.float(), dim=1), functional.normalize(texts.float(), dim=1)


def shortened(said: Tensor, end: int) -> Tensor:
    """Rows of tokens as long as the longest of them: nothing looks at what stands behind a text's end."""
    return said[:, : int((said == end).int().argmax(1).max()) + 1]


def build(trainer: ClipTrainer, tokenizer: CLIPTokenizer) -> Any:
    """A CLIP for a tokenizer; its first weights follow from the seed alone."""
    text = {
        **trainer.text.config,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": tokenizer.model_max_length,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    image = {**trainer.image.config, "image_size": trainer.size, "patch_size": trainer.patch}
    for part in (text, image):
        part["projection_dim"] = trainer.embedding  # so that either tower can be loaded alone
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("clip", trainer.schedule.seed))
        return CLIPModel(CLIPConfig(text_config=text, vision_config=image, projection_dim=trainer.embedding))


@torch.no_grad()
def retrieval(module: Any, asked: Asked) -> float:
    """How often a picture finds its own caption among 32 different ones; -1 where there are not so many."""
    different = [asked.captions.index(caption) for caption in dict.fromkeys(asked.captions)]
    groups = [different[start : start + CHOICE] for start in range(0, len(different) - CHOICE + 1, CHOICE)]
    found = []
    for rows in groups:
        images, texts = embedded(module, asked.pictures[rows], asked.said[rows])
        found.append((images @ texts.T).argmax(1).cpu() == torch.arange(CHOICE))
    return float(torch.cat(found).float().mean()) if found else -1.0


def _show(module: Any, progress: Progress, asked: Asked, tokenizer: CLIPTokenizer, folder: Path) -> dict[str, Any]:
    """Writes the weights and how well pictures find their captions; the folder is usable from the first time on."""
    save_half(module, folder)
    edge = module.config.vision_config.image_size
    pictures = CLIPImageProcessorPil(
        size={"height": edge, "width": edge}, do_center_crop=False, image_mean=list(HALF), image_std=list(HALF)
    )
    processor: Any = CLIPProcessor  # untyped in transformers
    processor(pictures, tokenizer).save_pretrained(folder)
    pictures.save_pretrained(folder)  # for programs that read the picture's side alone
    numbers = {"images": progress.images, "retrieval_of_32": retrieval(module, asked)}
    note_quality(folder, numbers)
    return numbers


def _tokenizer(trainer: ClipTrainer, captions: list[str], folder: Path) -> CLIPTokenizer:
    """What an earlier sitting learnt with, else a new one: pairs that come equally often fall either way."""
    if (folder / "training" / NAME).exists():
        known: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder)
        return known
    tokenizer = learn_tokenizer(captions, trainer.vocabulary, trainer.length)
    save_tokenizer(tokenizer, folder)
    return tokenizer
