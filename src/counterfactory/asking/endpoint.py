"""Which model is asked, and how hard; a field of steps. Knows no key: that comes from the environment alone."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field

from counterfactory.keys import ASIDE

ROUNDS = 8  # questions for each request at a time, in a batch: so that few wait at its end


def _without_a_key(address: str | None) -> str | None:
    """A key in an address would be written wherever the settings are."""
    if address is None:
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ValueError("expected an address such as http://localhost:8000/v1")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("an address holds no name, password or key: give the key as OPENAI_API_KEY")
    return address.rstrip("/").removesuffix("/chat/completions")


class Endpoint(BaseModel, frozen=True, extra="forbid"):
    """A model behind an OpenAI-compatible chat endpoint; only what it is and how it speaks identifies its replies."""

    kind: Literal["endpoint"] = "endpoint"
    model: Annotated[str, Field(min_length=1)]  # as the endpoint calls it: say what it is, for replies are kept by it
    temperature: Annotated[float, Field(ge=0, le=2)] | None = 0.0  # none: the endpoint's own
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 1024  # of a reply
    base_url: Annotated[str | None, AfterValidator(_without_a_key), ASIDE] = None  # else OPENAI_BASE_URL and so on
    concurrency: Annotated[int, Field(ge=1, le=1024), ASIDE] = 16  # requests at a time
    tries: Annotated[int, Field(ge=1, le=10), ASIDE] = 3  # replies to a question until one is valid
    timeout: Annotated[float, Field(gt=0, le=3600), ASIDE] = 120.0  # seconds for a reply
    pause: Annotated[float, Field(ge=0, le=60), ASIDE] = 0.5  # seconds after a first rebuff; twice as long each time

    @property
    def at_once(self) -> int:
        """Questions that a step wants in a batch."""
        return ROUNDS * self.concurrency
