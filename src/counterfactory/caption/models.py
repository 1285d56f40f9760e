"""Opened captioners, whichever model of transformers they are: pictures in, words out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    BertTokenizer,
    BlipForConditionalGeneration,
    BlipImageProcessorPil,
    BlipProcessor,
    LogitsProcessorList,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as ANY

from counterfactory.caption.instruction import instruction
from counterfactory.errors import BadConfig, Unavailable
from counterfactory.training.drawing import Drawn
from counterfactory.training.loading import kind_of, loading

LONGEST = 2**20  # tokens, where a model names no limit


@dataclass(frozen=True, kw_only=True, eq=False)
class Captioner:
    """A network that writes, and how the checkpoint wants pictures and gives words."""

    network: Any
    processor: Any
    longest: int  # tokens that it can hold
    text: str | None = None  # said beside each picture

    def see(self, pictures: Sequence[Image.Image]) -> Mapping[str, Any]:
        """RGB pictures of any size as the network's inputs."""
        if self.text is None:
            seen = self.processor(images=list(pictures), return_tensors="pt")
        else:
            texts, shown = [self.text] * len(pictures), [[picture] for picture in pictures]
            seen = self.processor(images=shown, text=texts, padding=True, return_tensors="pt")
        return {name: self._placed(value) for name, value in seen.items()}

    @torch.no_grad()
    def say(self, seen: Mapping[str, Any], seeds: Sequence[int] | None, max_tokens: int) -> list[str]:
        """One text a picture: the likeliest word at each place, or drawn where there are seeds."""
        asked = seen.get("input_ids")
        room = self.longest - (0 if asked is None else asked.shape[1])
        if room < 1:
            raise BadConfig(f"Picture and prompt take all of the {self.longest} tokens that the captioner holds.")
        drawn = LogitsProcessorList([Drawn(seeds)] if seeds is not None else [])
        numbers = self.network.generate(
            **seen,
            max_new_tokens=min(max_tokens, room),
            do_sample=False,
            num_beams=1,
            logits_processor=drawn,
        )
        texts = self.processor.batch_decode(_behind(numbers, asked), skip_special_tokens=True)
        return [text.strip() for text in texts]

    def _placed(self, value: Any) -> Any:
        """A tensor where the network is, in its number format if it is one of real numbers."""
        if not isinstance(value, Tensor):
            return value
        return value.to(self.network.device, self.network.dtype if value.is_floating_point() else value.dtype)


def open_captioner(
    folder: Path, device: str, dtype: torch.dtype = torch.float32, prompt: str | None = None
) -> Captioner:
    """The captioner in a folder of transformers, by what its configuration says that it is."""
    kind = kind_of(folder, {*KINDS, *ANY}, "'blip', 'blip-2' or other image-text-to-text")
    return KINDS.get(kind, _open_any)(folder, device, dtype, prompt)


def _open_blip(folder: Path, device: str, dtype: torch.dtype, prompt: str | None) -> Captioner:
    with loading(folder):
        network: Any = BlipForConditionalGeneration.from_pretrained(folder, use_safetensors=True, dtype=dtype)
        pictures, words = BlipImageProcessorPil.from_pretrained(folder), BertTokenizer.from_pretrained(folder)
    processor: Any = BlipProcessor  # untyped in transformers
    longest = network.config.text_config.max_position_embeddings - 1  # the first place is taken
    return Captioner(
        network=network.to(device).eval().requires_grad_(False),
        processor=processor(pictures, words),
        longest=longest,
        text=prompt or None,
    )


def _open_any(folder: Path, device: str, dtype: torch.dtype, prompt: str | None) -> Captioner:
    """Any other model that reads pictures and writes text, through its own processor."""
    try:
        with loading(folder):
            network: Any = AutoModelForImageTextToText.from_pretrained(
                folder, trust_remote_code=False, use_safetensors=True, dtype=dtype
            )
            auto: Any = AutoProcessor  # untyped in transformers
            processor = auto.from_pretrained(folder, trust_remote_code=False)
    except ImportError as error:
        needed = " ".join(str(error).split())[:200]
        raise Unavailable(f"The processor in {folder} needs a library that is not installed ({needed}).") from error
    processor.tokenizer.padding_side = "left"  # what is written follows what was asked
    _know_the_picture(processor, network, folder)
    return Captioner(
        network=network.to(device).eval().requires_grad_(False),
        processor=processor,
        longest=getattr(network.config.get_text_config(), "max_position_embeddings", None) or LONGEST,
        text=_text(processor, prompt),
    )


def _know_the_picture(processor: Any, network: Any, folder: Path) -> None:
    """Older folders of BLIP-2 do not say how many tokens a picture takes, and would caption without looking."""
    if not hasattr(network.config, "num_query_tokens"):
        return
    if getattr(network.config, "image_token_index", None) is None:
        raise BadConfig(f"{folder} names no token for its pictures (image_token_index); fetch a newer revision of it.")
    if getattr(processor, "num_query_tokens", None) is None:
        processor.num_query_tokens = network.config.num_query_tokens


def _text(processor: Any, prompt: str | None) -> str:
    """What is said beside a picture: a question, in a model's own form of talk if it has one, or a beginning."""
    if not getattr(processor, "chat_template", None):
        return prompt or ""
    content = [{"type": "image"}, {"type": "text", "text": prompt or instruction(1)}]
    said = [{"role": "user", "content": content}]
    return str(processor.apply_chat_template(said, add_generation_prompt=True, tokenize=False))


def _behind(numbers: Tensor, asked: Tensor | None) -> Tensor:
    """What was written, without the question where a model repeats it."""
    if asked is None or numbers.shape[1] < asked.shape[1]:
        return numbers
    return numbers[:, asked.shape[1] :] if torch.equal(numbers[:, : asked.shape[1]], asked) else numbers


Open = Callable[[Path, str, torch.dtype, str | None], Captioner]
KINDS: Mapping[str, Open] = {"blip": _open_blip}  # the others through what transformers itself says of them
