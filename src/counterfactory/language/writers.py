"""Language models that write: behind an endpoint or on this machine. Knows no question."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from counterfactory.asking.conversation import Conversation
from counterfactory.asking.endpoint import Endpoint
from counterfactory.language.local import LocalWriter
from counterfactory.worker import Worker


def _kind(said: Any) -> str:
    """A writer without a kind is an endpoint, so that `--set writer.model=...` is enough."""
    return str(said.get("kind", "endpoint") if isinstance(said, dict) else getattr(said, "kind", said))


Writer = Annotated[
    Annotated[Endpoint, Tag("endpoint")] | Annotated[LocalWriter, Tag("local")],
    Discriminator(_kind),
]
Hold = Callable[[Sequence[Conversation[Any]]], list[Any]]  # their answers in order, `Failed` where there is none


def open_writer(writer: Endpoint | LocalWriter, worker: Worker) -> Hold:
    """What holds conversations with a writer, wherever it is."""
    from counterfactory.asking.asker import Asker
    from counterfactory.asking.holding import hold_abreast, hold_apart

    if isinstance(writer, Endpoint):
        ask, at_once = Asker(writer, worker.workspace), writer.concurrency
        return lambda held: hold_apart(held, ask, at_once)
    from counterfactory.language.local_model import LocalModel

    model = LocalModel(writer, worker)
    return lambda held: hold_abreast(held, model)
