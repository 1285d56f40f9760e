"""Where an endpoint is and with which key: the environment, a file `.env`, Azure; and settings that cannot be."""

from pathlib import Path
from typing import Any

import pytest

from bad_server import BadServer, answer
from counterfactory.asking.access import NAMES, find_access, variables
from counterfactory.asking.asker import Asker
from counterfactory.asking.chat import Chat, Message
from counterfactory.asking.endpoint import Endpoint
from counterfactory.errors import BadConfig, Unavailable
from counterfactory.language.published_forms import Rewritten

GPT = Endpoint(model="gpt")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def given(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def test_a_key_alone_means_openai(monkeypatch: pytest.MonkeyPatch):
    given(monkeypatch, OPENAI_API_KEY=" sk-12345678 \n")
    access = find_access(GPT)
    assert access.url == "https://api.openai.com/v1/chat/completions"
    assert access.headers()["Authorization"] == "Bearer sk-12345678"


def test_an_address_of_the_environment_needs_no_key(monkeypatch: pytest.MonkeyPatch):
    given(monkeypatch, OPENAI_BASE_URL="http://localhost:11434/v1/")
    access = find_access(GPT)
    assert access.url == "http://localhost:11434/v1/chat/completions"
    assert "Authorization" not in access.headers()


def test_an_endpoint_s_own_address_comes_first(monkeypatch: pytest.MonkeyPatch):
    given(monkeypatch, OPENAI_BASE_URL="http://localhost:1/v1", AZURE_ENDPOINT="https://me.example.com")
    own = Endpoint(model="gpt", base_url="http://localhost:2/v1/chat/completions/")
    assert find_access(own).url == "http://localhost:2/v1/chat/completions"
    assert find_access(GPT).host == "localhost:1"


@pytest.mark.parametrize(
    ("address", "version", "url"),
    [
        ("https://me.example.com/", "2024-10-21", "/openai/deployments/gpt/chat/completions?api-version=2024-10-21"),
        ("https://me.example.com", "", "/openai/v1/chat/completions"),
        ("https://me.example.com/openai/v1/", "2024-10-21", "/openai/v1/chat/completions"),
    ],
)
def test_azure_is_spoken_to_in_its_older_and_its_newer_way(
    monkeypatch: pytest.MonkeyPatch, address: str, version: str, url: str
):
    given(monkeypatch, AZURE_ENDPOINT=address, AZURE_API_KEY="azure-key", AZURE_API_VERSION=version)
    access = find_access(GPT)
    assert access.url == "https://me.example.com" + url
    assert access.headers()["api-key"] == "azure-key"
    assert "Authorization" not in access.headers()


def test_azure_s_path_and_header_arrive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with BadServer(answer(caption="x")) as server:
        given(monkeypatch, AZURE_ENDPOINT=server.url.removesuffix("/v1"), AZURE_API_KEY="k", AZURE_API_VERSION="2024")
        Asker(GPT, tmp_path)(Chat(messages=(Message(role="user", text="?"),), form=Rewritten))
    assert server.paths == ["/openai/deployments/gpt/chat/completions?api-version=2024"]
    assert server.headers[0]["api-key"] == "k"


def test_a_file_of_the_folder_is_read_and_the_environment_stands_over_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    lines = ["# keys", "export OPENAI_API_KEY='from file'", 'OPENAI_BASE_URL = "http://file/v1"', "OTHER=1", "no line"]
    (tmp_path / ".env").write_text("\ufeff" + "\n".join([*lines, "AZURE_API_KEY=a # mine", "AZURE_ENDPOINT="]))
    given(monkeypatch, OPENAI_BASE_URL="http://environment/v1")
    expected = {"OPENAI_API_KEY": "from file", "OPENAI_BASE_URL": "http://environment/v1", "AZURE_API_KEY": "a"}
    assert variables(tmp_path) == expected
    assert variables(tmp_path / "elsewhere") == {"OPENAI_BASE_URL": "http://environment/v1"}


def test_a_file_that_is_no_text_is_told_without_what_it_holds(tmp_path: Path):
    (tmp_path / ".env").write_bytes(b"OPENAI_API_KEY=secret\xff\xfe")
    with pytest.raises(BadConfig, match=r"\.env cannot be read as text") as error:
        find_access(GPT)
    assert "secret" not in str(error.value)


def test_without_any_endpoint_a_person_is_told_what_to_set():
    with pytest.raises(Unavailable, match=r"'gpt'.*OPENAI_API_KEY.*OPENAI_BASE_URL.*AZURE_ENDPOINT"):
        find_access(GPT)


@pytest.mark.parametrize("values", [{"OPENAI_BASE_URL": "localhost:8000"}, {"AZURE_ENDPOINT": "https://a:b@host"}])
def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, values: Any):
    given(monkeypatch, OPENAI_API_KEY="sk", **values)
    with pytest.raises(BadConfig, match=f"{next(iter(values))} is no address"):
        find_access(GPT)


def test_a_key_that_can_be_none_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch):
    for key in ("sk-ä-12345678", "sk two words", "sk\r\nX-Header: 1"):
        given(monkeypatch, OPENAI_API_KEY=key)
        with pytest.raises(BadConfig, match="OPENAI_API_KEY holds characters") as error:
            find_access(GPT)
        assert key not in str(error.value)
