"""Where an endpoint is and what opens it: from the environment or a file `.env`, into nothing that is written."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from counterfactory.asking.endpoint import Endpoint
from counterfactory.errors import BadConfig, Unavailable

NAMES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "AZURE_ENDPOINT", "AZURE_API_KEY", "AZURE_API_VERSION")
OPENAI = "https://api.openai.com/v1"
SECRET_FROM = 8  # characters; a shorter key ("none", "EMPTY") protects nothing, and may stand in any reply


@dataclass(frozen=True, kw_only=True)
class Access:
    """An address, and a key that is never shown."""

    url: str
    key_name: str  # the variable that holds the key
    header: str  # that carries it
    key: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def headers(self) -> dict[str, str]:
        """What goes with a request; not to be shown."""
        told = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "counterfactory"}
        if self.key:
            told[self.header] = f"Bearer {self.key}" if self.header == "Authorization" else self.key
        return told

    def hide(self, text: str) -> str:
        """A text without the key, should an endpoint say it back."""
        return text.replace(self.key, "[the key]") if len(self.key) >= SECRET_FROM else text


def find_access(endpoint: Endpoint, folder: Path | None = None) -> Access:
    """The endpoint's own address, or that of the environment: any server, then Azure, then OpenAI."""
    told = variables(folder or Path())
    address = endpoint.base_url or told.get("OPENAI_BASE_URL")
    if address is None and "AZURE_ENDPOINT" in told:
        return _azure(endpoint.model, told)
    if address is None and "OPENAI_API_KEY" not in told:
        raise Unavailable(
            f"Nobody says where the model {endpoint.model!r} is to be asked. Set OPENAI_API_KEY (OpenAI), "
            "OPENAI_BASE_URL (any server, such as http://localhost:8000/v1) or AZURE_ENDPOINT and AZURE_API_KEY in the "
            "environment or in a file .env in this folder, or give the endpoint a base_url."
        )
    url = _checked(address or OPENAI, "OPENAI_BASE_URL") + "/chat/completions"
    return Access(url=url, key_name="OPENAI_API_KEY", header="Authorization", key=_key(told, "OPENAI_API_KEY"))


def _azure(model: str, told: Mapping[str, str]) -> Access:
    """A resource of Azure: its newer address is like OpenAI's, the older one names deployment and version."""
    address = _checked(told["AZURE_ENDPOINT"], "AZURE_ENDPOINT")
    version = told.get("AZURE_API_VERSION")
    if version and not address.endswith("/v1"):
        query = urlencode({"api-version": version})
        url = f"{address}/openai/deployments/{quote(model, safe='')}/chat/completions?{query}"
    else:
        url = f"{address if address.endswith('/v1') else address + '/openai/v1'}/chat/completions"
    return Access(url=url, key_name="AZURE_API_KEY", header="api-key", key=_key(told, "AZURE_API_KEY"))


def _checked(address: str, name: str) -> str:
    address = address.rstrip("/").removesuffix("/chat/completions")
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or parts.query:
        raise BadConfig(f"{name} is no address of a server; expected one such as http://localhost:8000/v1.")
    return address


def _key(told: Mapping[str, str], name: str) -> str:
    key = told.get(name, "")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise BadConfig(f"{name} holds characters that no key has; copy the key again.")
    return key


def variables(folder: Path) -> dict[str, str]:
    """What is set of the variables that are known here: the environment's, over those in a file `.env`."""
    told = {**_in_file(folder / ".env"), **os.environ}
    return {name: told[name].strip() for name in NAMES if told.get(name, "").strip()}


def _in_file(path: Path) -> dict[str, str]:
    """Lines `NAME=value`, quoted or not, after `export` or not; nothing is put into the environment."""
    if not path.is_file():
        return {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise BadConfig(f"{path.resolve()} cannot be read as text ({type(error).__name__}).") from None
    pairs = (line.strip().removeprefix("export ").partition("=") for line in lines if not line.lstrip().startswith("#"))
    return {name.strip(): _unquoted(value.strip()) for name, equals, value in pairs if equals}


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value.partition(" #")[0].strip()
