"""A language model on this machine as a writer: batches, limits, and a tiny random one that writes nonsense."""

from pathlib import Path
from typing import Any

import pytest

from counterfactory.asking.chat import Chat, Message
from counterfactory.errors import BadConfig
from counterfactory.language.local import LocalWriter
from counterfactory.language.local_model import LocalModel
from counterfactory.language.published import Published
from counterfactory.language.published_forms import Rewritten
from counterfactory.types import Failed, Passage
from counterfactory.worker import Worker
from tiny_talkers import save_llava, save_talker

PASSAGES = [Passage(caption=f"a red car on wet grass, picture {n}", label="car") for n in range(5)]


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_talker(tmp_path_factory.mktemp("talker"))


def chat(text: str, **fields: Any) -> Chat:
    return Chat(messages=(Message(role="user", text=text),), form=Rewritten, **fields)


def opened(talker: Path, folder: Path, batch_size: int = 4, **fields: Any) -> LocalModel:
    return LocalModel(LocalWriter(model=str(talker), **fields), Worker(workspace=folder, batch_size=batch_size))


CHATS = [chat("dog"), chat("a red car " * 9), chat("snow"), chat("a b c")]


@pytest.mark.parametrize("calls", ["separate", "together"])
def test_a_model_that_writes_nonsense_fails_every_row_and_breaks_nothing(talker: Path, tmp_path: Path, calls: Any):
    step = Published(writer=LocalWriter(model=str(talker), max_tokens=12), calls=calls)
    found = step.load(Worker(workspace=tmp_path, batch_size=2))(PASSAGES)
    assert len(found) == 5
    assert all(isinstance(failed, Failed) and "no usable reply in 2 tries" in failed.reason for failed in found)


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_reply_does_not_depend_on_what_it_is_written_beside(talker: Path, tmp_path: Path, temperature: float):
    fields: Any = {"temperature": temperature, "max_tokens": 8}
    together = opened(talker, tmp_path / "a", **fields)(CHATS)
    alone = opened(talker, tmp_path / "b", batch_size=1, **fields)(CHATS[::-1])[::-1]
    assert [reply.text for reply in together] == [reply.text for reply in alone]
    assert len({reply.text for reply in together}) > 1
    assert all(reply.written <= 8 for reply in together)


def test_seeds_and_attempts_draw_other_words_and_the_likeliest_need_none(talker: Path, tmp_path: Path):
    drawing = opened(talker, tmp_path, temperature=1.0, max_tokens=8)
    texts = [drawing([chat("dog", seed=seed, attempt=attempt)])[0].text for seed in (0, 1) for attempt in (0, 1)]
    assert len(set(texts)) == 4
    likeliest = opened(talker, tmp_path, max_tokens=8)
    assert len({likeliest([chat("dog", seed=seed)])[0].text for seed in (0, 1)}) == 1


def test_what_was_written_once_is_not_written_again(talker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first = opened(talker, tmp_path, max_tokens=8)(CHATS)
    monkeypatch.setattr(LocalModel, "_write", lambda *_: 1 / 0)
    assert opened(talker, tmp_path, max_tokens=8)(CHATS) == first


def test_one_question_that_is_too_long_fails_alone(tmp_path: Path):
    talker = save_talker(tmp_path / "short", longest=40)
    model = opened(talker, tmp_path, max_tokens=30)
    short, long = model([chat("dog"), chat("a " * 60)])
    assert short.finish in {"stop", "length"}
    assert long.finish == "refused"
    assert "61 tokens, and the model holds 40" in long.text


def test_a_model_that_was_not_taught_to_chat_is_given_plain_text(tmp_path: Path):
    model = opened(save_talker(tmp_path / "plain", template=None), tmp_path, max_tokens=4)
    (reply,) = model([chat("a red car")])
    assert (reply.read, reply.finish) == (3, "length")


def test_what_is_no_language_model_is_refused_in_a_sentence(tmp_path: Path):
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(BadConfig, match="does not hold such a model"):
        opened(folder, tmp_path)
    with pytest.raises(BadConfig, match="neither a model of the zoo nor a folder"):
        opened(Path("no such thing"), tmp_path)


def test_a_model_of_another_kind_is_refused(tmp_path: Path):
    with pytest.raises(BadConfig):
        opened(save_llava(tmp_path / "llava"), tmp_path)
