"""Opened captioners, whichever model of transformers they are: pictures in, words out. One row a kind of model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import (
    BertTokenizer,
    BlipForConditionalGeneration,
    BlipImageProcessorPil,
    BlipProcessor,
    LogitsProcessorList,
)

from counterfactory.caption.drawing import Drawn
from counterfactory.training.loading import kind_of, loading


@dataclass(frozen=True, kw_only=True, eq=False)
class Captioner:
    """A network that writes, and how the checkpoint wants pictures and gives words."""

    network: Any
    processor: Any
    longest: int  # tokens that it can write

    def see(self, pictures: Sequence[Image.Image]) -> Mapping[str, Any]:
        """RGB pictures of any size as the network's inputs."""
        seen = self.processor(images=list(pictures), return_tensors="pt")
        return {name: tensor.to(self.network.device, self.network.dtype) for name, tensor in seen.items()}

    @torch.no_grad()
    def say(self, seen: Mapping[str, Any], seeds: Sequence[int] | None, max_tokens: int) -> list[str]:
        """One text a picture: the likeliest word at each place, or drawn where there are seeds."""
        drawn = LogitsProcessorList([Drawn(seeds)] if seeds is not None else [])
        numbers = self.network.generate(
            **seen,
            max_new_tokens=min(max_tokens, self.longest),
            do_sample=False,
            num_beams=1,
            logits_processor=drawn,
        )
        return [text.strip() for text in self.processor.batch_decode(numbers, skip_special_tokens=True)]


def open_captioner(folder: Path, device: str, dtype: torch.dtype = torch.float32) -> Captioner:
    """The captioner in a folder of transformers, by what its configuration says that it is."""
    return KINDS[kind_of(folder, KINDS)](folder, device, dtype)


def _open_blip(folder: Path, device: str, dtype: torch.dtype) -> Captioner:
    with loading(folder):
        network: Any = BlipForConditionalGeneration.from_pretrained(folder, use_safetensors=True, dtype=dtype)
        pictures, words = BlipImageProcessorPil.from_pretrained(folder), BertTokenizer.from_pretrained(folder)
    processor: Any = BlipProcessor  # untyped in transformers
    longest = network.config.text_config.max_position_embeddings - 1  # the first place is taken
    return Captioner(
        network=network.to(device).eval().requires_grad_(False),
        processor=processor(pictures, words),
        longest=longest,
    )


KINDS: Mapping[str, Callable[[Path, str, torch.dtype], Captioner]] = {"blip": _open_blip}
