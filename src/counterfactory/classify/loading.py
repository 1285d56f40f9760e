"""Loads transformers models without their progress bars and tables; what goes wrong becomes one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from counterfactory.errors import BadConfig


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Says which folder holds no model that can be used, and why."""
    try:
        with quiet():
            yield
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BadConfig(
            f"{folder} does not hold such a model as safetensors and configuration ({reason}). "
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
