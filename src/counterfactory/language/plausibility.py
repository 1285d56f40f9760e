"""How plausible rewritings are, by a small model: how likely the sentence is, or how near the words and the caption."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer

from counterfactory.errors import BadConfig
from counterfactory.training.loading import loading
from counterfactory.types import Rewriting

AT_ONCE = 32  # texts in one pass
CAUSAL = ("ForCausalLM", "LMHeadModel")  # how transformers calls what writes word after word


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """A loaded model that scores the rewritings of one caption at a time, so that no other caption has a say."""

    network: Any
    tokenizer: Any
    is_causal: bool
    longest: int

    @torch.no_grad()
    def __call__(self, caption: str, rewritings: Sequence[Rewriting]) -> list[float]:
        """One number each: the higher, the more plausible."""
        if self.is_causal:
            return [score for part in _parts([new.caption for new in rewritings]) for score in self._likelihoods(part)]
        around = self._embedded([caption])
        words = [", ".join(edit.new for edit in new.edits) for new in rewritings]
        return [near for part in _parts(words) for near in (self._embedded(part) @ around.T)[:, 0].tolist()]

    def _likelihoods(self, texts: Sequence[str]) -> list[float]:
        """The mean log-probability of the tokens of each text; the first follows the sign that begins a text."""
        tokens, mask = self._tokens(texts)
        scores = self.network(input_ids=tokens, attention_mask=mask).logits.float().log_softmax(-1)
        said = scores[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0] * mask[:, 1:]
        means: list[float] = (said.sum(1) / mask[:, 1:].sum(1).clamp(min=1)).tolist()
        return means

    def _embedded(self, texts: Sequence[str]) -> Tensor:
        """Texts as unit vectors: the mean over their tokens."""
        tokens, mask = self._tokens(texts)
        hidden = self.network(input_ids=tokens, attention_mask=mask).last_hidden_state.float()
        return functional.normalize((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1), dim=-1)

    def _tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        rows = [self.tokenizer(text, truncation=True, max_length=self.longest - 1).input_ids for text in texts]
        begin = self.tokenizer.bos_token_id if self.tokenizer.bos_token_id is not None else self.tokenizer.eos_token_id
        if self.is_causal and begin is not None:
            rows = [row if row[:1] == [begin] else [begin, *row] for row in rows]
        length = max(2, *map(len, rows))
        tokens = torch.tensor([row + [0] * (length - len(row)) for row in rows], device=self.network.device)
        mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows], device=self.network.device)
        return tokens, mask


def open_judge(folder: Path, device: str, dtype: torch.dtype = torch.float32) -> Judge:
    """The judge in a folder of transformers, by what its configuration says that it is."""
    auto: Any = AutoTokenizer
    with loading(folder):
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        is_causal = _is_causal(folder, config)
        kind = AutoModelForCausalLM if is_causal else AutoModel
        network: Any = kind.from_pretrained(folder, trust_remote_code=False, use_safetensors=True, dtype=dtype)
        tokenizer = auto.from_pretrained(folder, trust_remote_code=False)
    return Judge(
        network=network.to(device).eval().requires_grad_(False),
        tokenizer=tokenizer,
        is_causal=is_causal,
        longest=getattr(config, "max_position_embeddings", None) or 512,
    )


def _is_causal(folder: Path, config: Any) -> bool:
    named = (getattr(config, "architectures", None) or [""])[0]
    if not named or getattr(config, "is_encoder_decoder", False):
        held = named or "a model without architectures in its config.json"
        raise BadConfig(
            f"{folder} holds {held}, which cannot rank captions. "
            "Give a causal language model or a text encoder of transformers."
        )
    return bool(named.endswith(CAUSAL))


def _parts(texts: Sequence[str]) -> list[Sequence[str]]:
    return [texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE)]
