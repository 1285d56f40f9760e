"""Texts as numbers for a text encoder: a learnt token is a number of its own, and never a part of a word."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any

import torch
from torch import Tensor

from counterfactory.errors import BadConfig, nearest
from counterfactory.keys import seed_for
from counterfactory.training.tokenizer import tokens
from counterfactory.types import Request, TokenNoise

MARKED = re.compile(r"<[^<>\s]+>")  # what is meant as a token


@dataclass(frozen=True, slots=True)
class Saying:
    """A text, and how the learnt vectors in it are moved; or a class in place of a text."""

    text: str
    noise: TokenNoise | None = None
    label: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Reader:
    """A tokenizer with its text encoder, and the vectors (V, D) of each token that was learnt besides."""

    tokenizer: Any
    encoder: Any
    number: int = 0  # among the encoders of its pipeline
    learnt: Mapping[str, Tensor] = field(default_factory=dict)

    def read(self, sayings: Sequence[Saying], **more: Any) -> Any:
        """What the encoder says of texts."""
        spelling = spelled(self, sayings)
        with _spoken(self.encoder, spelling):
            return self.encoder(spelling.ids.to(self.encoder.device), **more)


@dataclass(frozen=True, kw_only=True, eq=False)
class Spelling:
    """The numbers (B, T) of texts, and the vectors that stand at some places instead of what the numbers mean."""

    ids: Tensor
    rows: Sequence[int]
    columns: Sequence[int]
    vectors: Sequence[Tensor]


def spelled(reader: Reader, sayings: Sequence[Saying]) -> Spelling:
    """Texts as a reader takes them; what is beyond its length is lost."""
    ids = tokens(reader.tokenizer, [saying.text for saying in sayings])
    found: list[tuple[int, int, Tensor]] = []
    for row, saying in enumerate(sayings):
        pieces = cut(saying.text, tuple(reader.learnt))
        if len(pieces) > 1:
            numbers, vectors = _spelled(reader, pieces, saying.noise)
            ids[row] = torch.tensor(numbers)
            found += [(row, column, vector) for column, vector in vectors.items()]
    rows, columns, vectors_ = zip(*found, strict=True) if found else ((), (), ())
    return Spelling(ids=ids, rows=rows, columns=columns, vectors=vectors_)


def cut(text: str, learnt: tuple[str, ...]) -> list[str]:
    """A text in pieces: between two pieces of plain text, of which any may be empty, stands a learnt token."""
    return _pattern(learnt).split(text) if learnt else [text]


def moved(vectors: Tensor, noise: TokenNoise | None, token: str, number: int = 0) -> Tensor:
    """e + s N(0, I) of each vector (DIAGen, Lingenberg et al. 2024), or e + s |e| / sqrt(D) N(0, I) if relative.

    What is random follows from the seed, the token and the number of the encoder, whatever else is read.
    """
    if noise is None:
        return vectors
    own = torch.Generator().manual_seed(seed_for("token noise", noise.seed, token, number))
    drawn = torch.randn(vectors.shape, generator=own).to(vectors)
    length = vectors.norm(dim=-1, keepdim=True) / vectors.shape[-1] ** 0.5 if noise.relative else 1.0
    return vectors + noise.deviation * length * drawn


def loses_a_token(reader: Reader, saying: Saying) -> bool:
    """Whether some of a text's learnt vectors stand beyond the reader's length."""
    pieces = cut(saying.text, tuple(reader.learnt))
    wanted = sum(len(reader.learnt[token]) for token in pieces[1::2])
    return wanted > 0 and len(spelled(reader, [saying]).vectors) < wanted


def refuse_unlearnt(request: Request, readers: Sequence[Reader]) -> None:
    """One sentence on a token that was not learnt or would not be read, or on noise that has nothing to move."""
    noise, learnt = request.noise, tuple(readers[0].learnt)
    if noise and not 0 <= noise.deviation < math.inf:
        raise BadConfig(f"noise: {noise.deviation} is no deviation; give a number from 0 up.")
    if noise and len(cut(request.prompt, learnt)) == 1:
        lack = "the prompt has none" if learnt else "the engine has none: name them in its field `tokens`"
        raise BadConfig(f"noise: it moves learnt tokens, and {lack}.")
    for text in (request.prompt, request.negative_prompt) if learnt else ():
        if strange := next((token for token in MARKED.findall(text) if token not in readers[0].learnt), None):
            raise BadConfig(f"prompt: the token {strange} was not learnt.{nearest(strange, learnt)}")
        for reader in readers:
            if loses_a_token(reader, Saying(text)):
                raise BadConfig(
                    f"prompt: a learnt token stands beyond the {reader.tokenizer.model_max_length} tokens that this "
                    "pipeline reads; say it earlier or in fewer words."
                )


@lru_cache(maxsize=16)
def _pattern(learnt: tuple[str, ...]) -> re.Pattern[str]:
    """Any of some tokens, the longest first; one that begins or ends like a word is not found inside of another."""
    longest_first = sorted(learnt, key=lambda token: (-len(token), token))
    return re.compile(f"({'|'.join(_guarded(token) for token in longest_first)})")


def _guarded(token: str) -> str:
    before = r"(?<!\w)" if re.match(r"\w", token) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", token) else ""
    return before + re.escape(token) + after


def _spelled(reader: Reader, pieces: Sequence[str], noise: TokenNoise | None) -> tuple[list[int], dict[int, Tensor]]:
    """The numbers of a text that was cut at its tokens, and the vectors by their places.

    A place whose vector was learnt is held by the number of the beginning. Numbers beyond the vocabulary would do too,
    but encoders with published settings take the largest number of a text for its end.
    """
    said = reader.tokenizer
    ids: list[int] = [said.bos_token_id]
    vectors: dict[int, Tensor] = {}
    for turn, piece in enumerate(pieces):
        if turn % 2:
            own = moved(reader.learnt[piece], noise, piece, reader.number)
            vectors.update(zip(count(len(ids)), own, strict=False))
            ids += [said.bos_token_id] * len(own)
        else:
            ids += said(piece, add_special_tokens=False).input_ids
    room = said.model_max_length - 1
    ids = [*ids[:room], said.eos_token_id]
    ids += [said.pad_token_id] * (room + 1 - len(ids))
    return ids, {place: vector for place, vector in vectors.items() if place < room}


@contextmanager
def _spoken(encoder: Any, spelling: Spelling) -> Iterator[None]:
    """Within the block the encoder meets the learnt vectors at their places; none of its weights is touched."""
    if not spelling.vectors:
        yield
        return

    def put(_table: Any, _ids: Any, words: Tensor) -> Tensor:
        places = tuple(torch.tensor(numbers, device=words.device) for numbers in (spelling.rows, spelling.columns))
        return words.index_put(places, torch.stack(list(spelling.vectors)).to(words))

    hook = encoder.get_input_embeddings().register_forward_hook(put)
    try:
        yield
    finally:
        hook.remove()
