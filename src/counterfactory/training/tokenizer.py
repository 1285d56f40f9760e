"""A CLIP byte-pair tokenizer learnt from captions: the words of whatever listens to text."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import CLIPTokenizer

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
SUFFIX = "</w>"


def learn_tokenizer(captions: Iterable[str], vocabulary: int, length: int) -> CLIPTokenizer:
    """Byte pairs as CLIP has them: any text can be said, and what the captions say takes few tokens."""
    ours = Tokenizer(models.BPE(unk_token=END, continuing_subword_prefix="", end_of_word_suffix=SUFFIX))
    clip = CLIPTokenizer().backend_tokenizer  # how CLIP cuts a text into words stays as it is
    ours.normalizer, ours.pre_tokenizer = clip.normalizer, clip.pre_tokenizer
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    singles = [*letters, *(letter + SUFFIX for letter in letters)]
    lessons: Any = trainers.BpeTrainer(
        vocab_size=vocabulary - 2, end_of_word_suffix=SUFFIX, initial_alphabet=letters, show_progress=False
    )
    ours.train_from_iterator(captions, lessons)
    pairs = _pairs(ours)[: max(0, vocabulary - len(singles) - 2)]
    words = [*singles, *("".join(pair) for pair in pairs), BEGIN, END]
    tokenizer: Any = CLIPTokenizer  # typed as if pairs could only be text
    return tokenizer(  # type: ignore[no-any-return]
        vocab={word: number for number, word in enumerate(dict.fromkeys(words))},
        merges=pairs,
        model_max_length=length,
    )


def save_tokenizer(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Writes CLIP's own two files beside the newer single one, for every program that reads either."""
    tokenizer.save_pretrained(folder)
    tokenizer.backend_tokenizer.model.save(str(folder))


def tokens(tokenizer: Any, texts: Sequence[str]) -> Tensor:
    """Texts as rows of token numbers, all of the tokenizer's length."""
    said = tokenizer(list(texts), padding="max_length", truncation=True, max_length=tokenizer.model_max_length)
    return torch.tensor(said.input_ids)


def _pairs(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [(first, second) for first, second in merges]
