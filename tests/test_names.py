"""What a model's name stands for."""

import os
import socket
import time

import pytest
from pydantic import BaseModel

from counterfactory import keys
from counterfactory.errors import BadConfig, Unavailable
from counterfactory.names import PATIENCE, ModelName, identity, model_folder
from counterfactory.types import Artifact


class Uses(BaseModel, frozen=True, extra="forbid"):
    model: ModelName


def test_a_folder_is_known_by_its_files_and_not_by_its_name(tmp_path):
    for name, text in (("a", "weights"), ("b", "weights"), ("c", "other")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_text(text)
    one, same, other = (identity(str(tmp_path / name)) for name in "abc")
    assert one == same != other
    assert keys.key(Uses(model=str(tmp_path / "a"))) == keys.key(Uses(model=str(tmp_path / "b")))


def test_a_file_that_changes_is_noticed(tmp_path):
    (tmp_path / "w").write_text("one")
    before = identity(str(tmp_path))
    (tmp_path / "w").write_text("two")
    os.utime(tmp_path / "w", ns=(1, 1))
    assert identity(str(tmp_path)) != before


def test_a_hub_id_without_a_network_is_told_at_once(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(Unavailable, match="not in this machine's cache"):
        model_folder("nobody/no-such-model")


def test_a_name_that_is_neither_folder_nor_hub_id_is_refused():
    with pytest.raises(BadConfig, match="neither a model of the zoo nor a folder nor a hub id"):
        model_folder("no such thing")


def test_a_hub_that_says_nothing_is_not_waited_for(monkeypatch):
    silent = socket.create_server(("127.0.0.1", 0))  # takes calls and never answers, as behind a closed door
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
    for flag in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(flag, raising=False)
    began = time.monotonic()
    with silent, pytest.raises(Unavailable, match="the hub cannot be reached"):
        model_folder("nobody/silent-model")
    assert time.monotonic() - began < 2 * PATIENCE


def test_a_card_changes_nothing_that_a_model_does(tmp_path):
    (tmp_path / "model.safetensors").write_text("weights")
    before = identity(str(tmp_path))
    (tmp_path / "README.md").write_text("a card")
    assert identity(str(tmp_path)) == before


class UsesEither(BaseModel, frozen=True, extra="forbid"):
    model: Artifact | ModelName


def test_a_model_that_may_also_be_an_artifact_is_known_by_its_files_too(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_text("weights")
    one, same = (UsesEither(model=str(tmp_path / name)) for name in "ab")
    assert keys.key(one) == keys.key(same) != keys.key(UsesEither(model=Artifact(kind="classifier", key="k")))
