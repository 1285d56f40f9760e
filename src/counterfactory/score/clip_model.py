"""An opened CLIP: pictures and texts to directions in one space. Knows its networks, not where pictures lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

from counterfactory.training.loading import kind_of, loading

AT_ONCE = 128  # texts: a thousand classes would fill the memory


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip:
    """The two towers, and how the checkpoint wants pictures and words."""

    model: Any
    tokenizer: Any
    processor: Any

    @property
    def scale(self) -> float:
        """What cosines are multiplied by to be logits."""
        return float(self.model.logit_scale.exp())

    @torch.no_grad()
    def images(self, pictures: Sequence[Image.Image]) -> Tensor:
        """Directions (B, D) of RGB pictures of any size."""
        pixels = self.processor(list(pictures), return_tensors="pt").pixel_values
        return self._direction(
            self.model.get_image_features(pixel_values=pixels.to(self.model.device, self.model.dtype))
        )

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Directions (B, D) of texts, however many; what is longer than the checkpoint takes is cut off."""
        parts = [texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE)]
        return torch.cat([self._texts(part) for part in parts])

    def _texts(self, texts: Sequence[str]) -> Tensor:
        longest = self.model.config.text_config.max_position_embeddings
        # Always of one length: the numbers must not depend on the other texts of the batch.
        said = self.tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=longest, return_tensors="pt"
        ).to(self.model.device)
        return self._direction(
            self.model.get_text_features(input_ids=said.input_ids, attention_mask=said.attention_mask)
        )

    def _direction(self, found: Any) -> Tensor:
        return functional.normalize(found.pooler_output.float(), dim=1).cpu()


def open_clip(folder: Path, device: str, dtype: torch.dtype = torch.float32) -> Clip:
    """The CLIP in a folder of transformers."""
    kind_of(folder, ("clip",))
    with loading(folder):
        network: Any = CLIPModel.from_pretrained(folder, use_safetensors=True, dtype=dtype)
        tokenizer = CLIPTokenizer.from_pretrained(folder)
        processor = CLIPImageProcessorPil.from_pretrained(folder)
    return Clip(model=network.to(device).eval().requires_grad_(False), tokenizer=tokenizer, processor=processor)
