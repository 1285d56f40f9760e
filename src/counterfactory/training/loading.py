"""Opens the folders of transformers models without bars or tables; what goes wrong becomes one sentence."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from counterfactory.errors import BadConfig

CONFIG = "config.json"


def kind_of(folder: Path, known: Collection[str], wanted: str = "") -> str:
    """Which of the known kinds of model (`clip`, `blip`) a folder holds; `wanted` names them where they are many."""
    path, wanted = folder / CONFIG, wanted or " or ".join(map(repr, sorted(known)))
    try:
        said = json.loads(path.read_text(encoding="utf-8")).get("model_type") if path.exists() else None
    except ValueError as error:
        raise BadConfig(f"{path} is not JSON ({error}); fetch or save the model again.") from error
    if said not in known:
        found = f"a {said!r} model" if said else f"no {CONFIG} that names a model"
        raise BadConfig(f"{folder} holds {found}; expected the folder or hub id of a {wanted} model.")
    return str(said)


@contextmanager
def loading(folder: Path, what: str = "such a model") -> Iterator[None]:
    """Says which folder holds no model that can be used, and why."""
    try:
        with quiet():
            yield
    except (OSError, ValueError) as error:
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
