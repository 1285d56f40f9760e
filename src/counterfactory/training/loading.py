"""Opens the folders of transformers models without bars or tables; what goes wrong becomes one sentence."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from counterfactory.errors import BadConfig, CounterfactoryError

CONFIG = "config.json"


def kind_of(folder: Path, known: Collection[str], wanted: str = "") -> str:
    """Which of the known kinds of model (`clip`, `blip`) a folder holds; `wanted` names them where they are many."""
    said, wanted = read_json(folder / CONFIG).get("model_type"), wanted or " or ".join(map(repr, sorted(known)))
    if said not in known:
        found = f"a {said!r} model" if said else f"no {CONFIG} that names a model"
        raise BadConfig(f"{folder} holds {found}; expected the folder or hub id of a {wanted} model.")
    return str(said)


def read_json(path: Path) -> dict[str, Any]:
    """What a file of a model's folder says; nothing where there is no such file."""
    try:
        said = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise BadConfig(f"{path} is not JSON ({error}); fetch or save the model again.") from error
    if not isinstance(said, dict):
        raise BadConfig(f"{path} holds a {type(said).__name__}; expected an object: fetch or save the model again.")
    return said


@contextmanager
def loading(folder: Path, what: str = "such a model") -> Iterator[None]:
    """Says which folder holds no model that can be used, and why."""
    try:
        with quiet():
            yield
    except (CounterfactoryError, ImportError):
        raise
    except Exception as error:  # the libraries' errors about a damaged folder have no parent of their own
        reason = str(error).strip().partition("\n")[0]
        raise BadConfig(
            f"{folder} does not hold {what} as safetensors and configuration ({reason}). "
            "Give another hub id or folder, or save the model with `save_pretrained`."
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Transformers says errors only inside."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
