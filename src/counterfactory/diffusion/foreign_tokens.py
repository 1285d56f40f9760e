"""Reads tokens that other programs learnt: dictionaries of many (DIAGen) or of one (diffusers), pickled or not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from counterfactory.diffusion.tokens import ENCODERS, save_tokens
from counterfactory.errors import BadConfig, unknown


def convert_tokens(
    path: Path, folder: Path, classes: Mapping[str, str] | None = None, token: str | None = None
) -> dict[str, str]:
    """Makes a folder of learnt tokens from a `tokens.pt`, `learned_embeds.bin` or `.safetensors`; each class's token.

    Which token is which class's is said by `classes` (`{"hot dog": "<hot_dog>"}`); unsaid, a class is called as its
    token is without its marks. A file of SDXL's two encoders names no token, so it must be given.
    """
    vectors = _named(path, _held(path), token)
    said = dict(classes) if classes is not None else {name.strip("<>"): name for name in vectors}
    for name in said.values():
        if name not in vectors:
            raise unknown(f"token in {path.name},", name, vectors)
    save_tokens(folder, vectors, said)
    return said


def _held(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that holds nothing else."""
    try:
        held: Any = load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except Exception as error:  # the many errors of both are one: the file is not what it should be
        raise BadConfig(
            f"{path} is not there, is damaged or holds more than tensors, and is not read. Give a tokens.pt or a "
            "learned_embeds file; where you trust it, save its tensors with safetensors.torch.save_file."
        ) from error
    tensors = held.values() if isinstance(held, dict) else ()
    if not tensors or not all(isinstance(one, Tensor) and one.ndim in {1, 2} and one.numel() for one in tensors):
        raise BadConfig(f"{path} holds no learnt tokens: expected a dictionary of one vector or a few for each token.")
    return {str(name): one.detach().float() for name, one in held.items()}


def _unpickled(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _named(path: Path, held: Mapping[str, Tensor], token: str | None) -> dict[str, tuple[Tensor, ...]]:
    """Vectors (V, D) by token, for each encoder those of one."""
    rows = {name: one.reshape(-1, one.shape[-1]) for name, one in held.items()}
    if set(rows) == set(ENCODERS):
        if token is None:
            raise BadConfig(f"{path} holds vectors for SDXL's two encoders and no token; say which: token='<car>'.")
        return {token: tuple(rows[name] for name in ENCODERS)}
    widths = {one.shape[-1] for one in rows.values()}
    if len(widths) > 1:
        raise BadConfig(f"{path} holds vectors of {sorted(widths)} numbers; expected those of one text encoder.")
    if token is None:
        return {name: (one,) for name, one in rows.items()}
    if len(rows) > 1:
        raise BadConfig(f"{path} holds {len(rows)} tokens, which keep their names; leave token={token!r} out.")
    (only,) = rows.values()
    return {token: (only,)}
