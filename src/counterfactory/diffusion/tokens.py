"""Learnt tokens: what they are called, and how they lie on disk, each in a file that plain diffusers loads.

Of a pipeline with one text encoder, a file holds the vectors (V, D) under the token itself; of SDXL, under `clip_l` and
`clip_g`, as its users have them. `tokens.json` says which file is which token's, and which token is which class's.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from counterfactory.errors import BadConfig
from counterfactory.keys import digest

if TYPE_CHECKING:
    from torch import Tensor

INDEX = "tokens.json"
ENCODERS = ("clip_l", "clip_g")  # SDXL's two, as files of its tokens call them
LONGEST = 60  # letters of a file's name


def class_tokens(classes: Iterable[str]) -> dict[str, str]:
    """The token of each class, such as `<hot-dog>`: no two alike, whatever case, accents and signs are in the names."""
    return {name: f"<{slug}>" for name, slug in _slugs(classes).items()}


def kept_tokens(folder: Path, classes: Iterable[str]) -> dict[str, str]:
    """The token of each of some classes in a folder of learnt tokens."""
    known = _index(folder)["classes"]
    if missing := [name for name in classes if name not in known]:
        raise BadConfig(
            f"{folder} has no token for {missing[0]!r} and {len(missing) - 1} more of the classes, but for: "
            f"{', '.join(sorted(known)) or 'none'}. Train or convert one for each, by the names that the data has."
        )
    return {name: known[name] for name in classes}


def save_tokens(folder: Path, vectors: Mapping[str, Sequence["Tensor"]], classes: Mapping[str, str]) -> None:
    """Writes the vectors of tokens, for each encoder those of one; `classes` says which token is a class's."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    files = {token: f"{slug}.safetensors" for token, slug in _slugs(vectors).items()}
    for token, each in vectors.items():
        names = ENCODERS if len(each) > 1 else (token,)
        whole = {name: one.detach().float().cpu().contiguous() for name, one in zip(names, each, strict=True)}
        save_file(whole, folder / files[token])
    text = json.dumps({"classes": dict(classes), "tokens": files}, indent=2, ensure_ascii=False)
    (folder / INDEX).write_text(text + "\n", encoding="utf-8")


def load_tokens(folder: Path) -> dict[str, tuple["Tensor", ...]]:
    """The vectors (V, D) of each token in a folder, for each encoder those of one."""
    return {token: read_vectors(folder / file, token) for token, file in _index(folder)["tokens"].items()}


def read_vectors(path: Path, token: str) -> tuple["Tensor", ...]:
    """The vectors of a token in a file of its own."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        held = load_file(path)
    except (OSError, SafetensorError) as error:
        raise BadConfig(
            f"{path} cannot be read as the vectors of {token} ({error}); train or convert again."
        ) from error
    each = tuple(held[name] for name in (ENCODERS if set(held) == set(ENCODERS) else (token,)) if name in held)
    if not each or len(each) < len(held) or any(one.ndim not in {1, 2} for one in each):
        raise BadConfig(
            f"{path} holds {', '.join(sorted(held)) or 'nothing'}: expected vectors under {token!r}, or under "
            f"{' and '.join(ENCODERS)} for SDXL."
        )
    return tuple(one.float().reshape(-1, one.shape[-1]) for one in each)


def _index(folder: Path) -> dict[str, dict[str, str]]:
    path = folder / INDEX
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return {"classes": dict(said["classes"]), "tokens": dict(said["tokens"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadConfig(
            f"{folder} holds no learnt tokens: expected a {INDEX}, as training leaves it and as `convert_tokens` makes "
            "it from a tokens.pt or a learned_embeds file."
        ) from error


def _slugs(names: Iterable[str]) -> dict[str, str]:
    """Names in small letters, digits and hyphens; those that would be alike are told apart by digests of their own."""
    plain = {name: _slug(name) for name in names}
    times = Counter(plain.values())
    for digits in range(4, 33):
        found = {
            name: slug if slug == name or times[slug] == 1 else f"{slug}-{digest(name.encode())[:digits]}"
            for name, slug in plain.items()
        }
        if len(set(found.values())) == len(found):
            return found
    raise AssertionError("different names have different digests")


def _slug(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", letters)[:LONGEST].strip("-") or "class"
