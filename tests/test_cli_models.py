"""`counterfactory models fetch`: what is here is found, and what cannot be had says why."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from command_line import call
from companions import save_base
from counterfactory import names

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub's, which is not asked."""
    names._from_hub.cache_clear()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "hub"


def cached(cache: Path, name: str) -> Path:
    """Where the hub's own client would have put a model."""
    model = cache / f"models--{name.replace('/', '--')}"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(COMMIT)
    snapshot = model / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    return snapshot


def test_a_model_and_its_companions_are_told_with_their_folders(cache: Path, capsys: pytest.CaptureFixture[str]):
    pipeline = save_base(cached(cache, "someone/pipeline"))
    companion = cached(cache, "someone/controlnet")
    (companion / "diffusion_pytorch_model.safetensors").write_bytes(b"")
    answer = call(capsys, "models", "fetch", "someone/pipeline", "--with", "someone/controlnet", "--json")
    assert answer.code == 0
    assert answer.json["models"] == [
        {"name": "someone/pipeline", "folder": str(pipeline)},
        {"name": "someone/controlnet", "folder": str(companion)},
    ]


def test_what_is_not_in_the_cache_says_that_the_hub_may_not_be_asked(cache: Path, capsys: pytest.CaptureFixture[str]):
    answer = call(capsys, "models", "fetch", "nobody/nothing")
    assert answer.code == 2
    assert "'nobody/nothing' is not in this machine's cache, and HF_HUB_OFFLINE" in answer.err


def test_a_name_that_is_no_hub_id_says_what_one_looks_like(cache: Path, capsys: pytest.CaptureFixture[str]):
    answer = call(capsys, "models", "fetch", "no such thing")
    assert answer.code == 2
    assert "owner/model" in answer.err


def test_a_model_of_pickles_alone_is_refused(cache: Path, capsys: pytest.CaptureFixture[str]):
    cached(cache, "someone/pickled")
    answer = call(capsys, "models", "fetch", "someone/pickled")
    assert answer.code == 2
    assert "has no safetensors" in answer.err


def test_a_pipeline_whose_parts_are_missing_is_refused(cache: Path, capsys: pytest.CaptureFixture[str]):
    (save_base(cached(cache, "someone/half")) / "unet" / "config.json").unlink()
    answer = call(capsys, "models", "fetch", "someone/half")
    assert answer.code == 2
    assert "its model_index.json names unet" in answer.err
