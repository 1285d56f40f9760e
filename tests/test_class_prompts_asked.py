"""Prompts by a language model that may say anything: what is taken, what asked for again, what becomes of the rest."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bad_server import HTML, BadServer, Behaviour, Says, closed_port, completion, prompt, trouble
from counterfactory.asking.endpoint import Endpoint
from counterfactory.errors import Unavailable
from counterfactory.language.class_prompts.asked import AskPrompts
from counterfactory.language.class_prompts.writers import PromptWriter
from counterfactory.language.local import LocalWriter
from counterfactory.testing import StepContract
from counterfactory.types import ClassWish, Failed
from counterfactory.worker import Worker
from tiny_talkers import save_talker

PLACES = ("on a road", "in a park", "on a beach", "in the snow", "in a room", "at night", "in fog", "on a roof")
Sentences = Mapping[str, Any]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "AZURE_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def wishes(*names: str, number: int = 3, **fields: Any) -> list[ClassWish]:
    return [
        ClassWish(name=name, others=tuple(other for other in names if other != name), number=number, **fields)
        for name in names
    ]


def wanted(said: Mapping[str, Any]) -> dict[str, int]:
    """The classes and numbers of a question."""
    found = re.findall(r"^- (.*?)(?: \(say: .*\))?: (\d+)$", prompt(said), re.MULTILINE)
    return {name: int(number) for name, number in found}


def sentences(said: Mapping[str, Any]) -> dict[str, list[str]]:
    """What a model writes that does what it is asked, and never twice the same."""
    there = prompt(said).count("\n- a photo of a ")
    spoken = {name: name.replace("_", " ") for name in wanted(said)}
    return {
        name: [f"a photo of a {spoken[name]} {PLACES[(there + turn) % 8]} {there + turn}" for turn in range(number)]
        for name, number in wanted(said).items()
    }


def model(said: dict[str, Any]) -> Says:
    return completion(json.dumps(sentences(said), ensure_ascii=False))


def at_first(does: Callable[[dict[str, list[str]]], Any]) -> Behaviour:
    """A model whose first reply is not as it should be; what it writes then is."""

    def behave(said: dict[str, Any]) -> Says:
        is_first = "could not be used" not in prompt(said) and "there already" not in prompt(said)
        reply = does(sentences(said)) if is_first else sentences(said)
        return completion(reply if isinstance(reply, str) else json.dumps(reply, ensure_ascii=False))

    return behave


def step(server: BadServer | str, **fields: Any) -> AskPrompts:
    url = server if isinstance(server, str) else server.url
    writer = Endpoint(model="tiny", base_url=url, pause=0.01, timeout=5, max_tokens=fields.pop("max_tokens", 1024))
    return AskPrompts(writer=writer, **fields)


def written(server: BadServer | str, folder: Path, of: Sequence[ClassWish], **fields: Any) -> list[Any]:
    return step(server, **fields).load(Worker(workspace=folder))(of)


class TestEach(StepContract):
    @pytest.fixture(autouse=True)
    def _serve(self) -> Any:
        with BadServer(model) as self.server:
            yield

    def step(self) -> Any:
        return step(self.server)

    def items(self) -> Sequence[Any]:
        return wishes("dog", "cat", "hot_dog", "Müller's café")


class TestTogether(TestEach):
    def step(self) -> Any:
        return step(self.server, calls="together")


@pytest.mark.parametrize(("calls", "requests"), [("each", 3), ("together", 1)])
def test_each_class_has_a_request_or_all_have_one(tmp_path: Path, calls: str, requests: int):
    with BadServer(model) as server:
        found = written(server, tmp_path, wishes("dog", "cat", "cow", about="pets at home"), calls=calls)
        assert len(server.asked) == requests
        assert all("of this kind: pets at home" in prompt(said) for said in server.asked)
    assert found[1] == ("a photo of a cat on a road 0", "a photo of a cat in a park 1", "a photo of a cat on a beach 2")
    assert [len(prompts) for prompts in found] == [3, 3, 3]


def test_a_reply_must_have_a_list_under_the_name_of_each_class(tmp_path: Path):
    with BadServer(model) as server:
        written(server, tmp_path, wishes("dog", "hot_dog"), calls="together")
    schema = server.asked[0]["response_format"]["json_schema"]["schema"]
    assert schema["required"] == ["dog", "hot_dog"]
    assert set(schema["properties"]) == {"dog", "hot_dog"}
    assert schema["additionalProperties"] is False


def swapped(said: dict[str, list[str]]) -> Any:
    return dict(zip(said, reversed(list(said.values())), strict=True))


BAD_AT_FIRST = {
    "wrong keys": lambda said: {f"class {n}": texts for n, texts in enumerate(said.values())},
    "keys in another order, sentences in theirs": swapped,
    "no keys": lambda said: list(said.values()),
    "another class": lambda said: {name: [f"{text} with a cow and a pig" for text in said[name]] for name in said},
    "no class": lambda said: {name: ["a photo of a road", "nothing", ""] for name in said},
    "one sentence again and again": lambda said: {name: said[name][:1] * 9 for name in said},
    "too few": lambda said: {name: said[name][:1] for name in said},
    "empty lists": lambda said: {name: [] for name in said},
    "an empty list": lambda said: "[]",
    "numbers": lambda said: dict.fromkeys(said, 3),
    "objects": lambda said: {name: [{"sentence": text} for text in said[name]] for name in said},
    "nothing": lambda said: "",
    "prose": lambda said: "I am sorry, but here are no sentences.",
    "half of it": lambda said: json.dumps(said)[:-9],
    "an essay": lambda said: {name: [f"a {name} " + "on a road " * 99] for name in said},
    "one object a class": lambda said: "\n".join(json.dumps({name: said[name]}) for name in said),
}


@pytest.mark.parametrize("calls", ["each", "together"])
@pytest.mark.parametrize("does", BAD_AT_FIRST.values(), ids=BAD_AT_FIRST.keys())
def test_what_cannot_be_used_is_asked_for_again(tmp_path: Path, does: Any, calls: str):
    with BadServer(at_first(does)) as server:
        found = written(server, tmp_path, wishes("cow", "pig"), calls=calls)
    for name, prompts in zip(("cow", "pig"), found, strict=True):
        assert len(set(prompts)) == 3
        assert all(re.fullmatch(rf"a photo of a {name} [a-z ]+\d+", text) for text in prompts)


FINE_AT_ONCE = {
    "prose around it": lambda said: f"Here you are:\n{json.dumps(said)}\nHave fun!",
    "a fence": lambda said: f"```json\n{json.dumps(said)}\n```",
    "a frame": lambda said: {"sentences": said},
    "capitals": lambda said: {name.upper(): texts for name, texts in said.items()},
    "another order": lambda said: dict(reversed(said.items())),
    "one class more": lambda said: {**said, "horse": ["a horse"]},
    "too many": lambda said: {name: [*texts, f"a {name} too many"] for name, texts in said.items()},
}


@pytest.mark.parametrize("does", FINE_AT_ONCE.values(), ids=FINE_AT_ONCE.keys())
def test_what_can_be_read_is_not_asked_for_again(tmp_path: Path, does: Any):
    with BadServer(at_first(does)) as server:
        found = written(server, tmp_path, wishes("cow", "pig"), calls="together")
        assert len(server.asked) == 1
    assert [text[:14] for text, *_ in found] == ["a photo of a c", "a photo of a p"]
    assert [len(prompts) for prompts in found] == [3, 3]


def test_only_what_is_missing_is_asked_for_again_and_what_is_there_is_shown(tmp_path: Path):
    def half(said: dict[str, list[str]]) -> Any:
        return {"cow": said["cow"], "pig": said["pig"][:1]}

    with BadServer(at_first(half)) as server:
        written(server, tmp_path, wishes("cow", "pig"), calls="together")
        first, second = server.asked
    assert wanted(first) == {"cow": 3, "pig": 3}
    assert wanted(second)["pig"] == 2
    assert "cow" not in wanted(second)
    assert "- a photo of a pig on a road 0" in prompt(second)
    assert "pig: 1 of 3 can be used" in prompt(second)


def test_after_the_last_try_there_is_what_there_is_or_a_failed_row_with_the_reply(tmp_path: Path):
    reply = json.dumps({"cow": ['a cow\'s "life" in {braces}'], "pig": ["a cow"]})
    with BadServer(completion(reply)) as server:
        cow, pig = written(server, tmp_path, wishes("cow", "pig"), calls="together")
        assert len(server.asked) == 3
    assert cow == ('a cow\'s "life" in {braces}',)
    assert isinstance(pig, Failed)
    assert pig.reason.startswith("no usable prompt for the class 'pig'")
    assert "it names 'cow', which is another class" in pig.reason
    assert pig.detail == reply


def test_the_question_said_back_and_a_refusal_are_failed_rows(tmp_path: Path):
    with BadServer(lambda said: completion(prompt(said))) as server:
        (echoed,) = written(server, tmp_path / "a", wishes("cow"))
    assert "repeats the question" in echoed.reason
    with BadServer(completion(None, refusal="not today")) as server:
        (refused,) = written(server, tmp_path / "b", wishes("cow"))
        assert len(server.asked) == 1
    assert "the model refused: not today" in refused.reason


def test_a_reply_that_was_cut_off_is_asked_for_in_smaller_parts(tmp_path: Path):
    def short(said: dict[str, Any]) -> Says:
        whole = sentences(said)
        is_long = sum(map(len, whole.values())) > 4
        return completion(json.dumps(whole)[: 60 if is_long else None], "length" if is_long else "stop")

    with BadServer(short) as server:
        (found,) = written(server, tmp_path, wishes("cow", number=8), max_tokens=320)
        assert [wanted(said)["cow"] for said in server.asked] == [8, 4, 4]
    assert len(set(found)) == 8


def test_more_than_a_reply_can_hold_is_asked_for_in_turns(tmp_path: Path):
    with BadServer(model) as server:
        found = written(server, tmp_path, wishes("cow", "pig", "hen"), calls="together", max_tokens=160)
        assert [sum(wanted(said).values()) for said in server.asked] == [3, 3, 3]
    assert [len(set(prompts)) for prompts in found] == [3, 3, 3]


def test_a_thousand_classes_are_split_into_requests_of_bounded_size(tmp_path: Path):
    names = [f"kind number {n}" for n in range(1000)]
    of = [ClassWish(name=name, others=tuple(names), number=1) for name in names]
    with BadServer(model) as server:
        found = written(server, tmp_path, of, calls="together", max_tokens=8192)
        assert len(server.asked) == 8
        assert max(len(wanted(said)) for said in server.asked) == 125
        assert max(len(prompt(said)) for said in server.asked) < 20_000
    assert [prompts[0] for prompts in found] == [f"a photo of a {name} on a road 0" for name in names]


def test_of_a_thousand_other_classes_a_question_shows_those_that_are_alike(tmp_path: Path):
    others = (*(f"kind {n}" for n in range(1000)), "polar bear", "grizzly bear")
    with BadServer(model) as server:
        written(server, tmp_path, [ClassWish(name="brown bear", others=others, number=1)])
    assert "names any of these: grizzly bear; polar bear." in " ".join(prompt(server.asked[0]).split())
    assert "kind 1" not in prompt(server.asked[0])


def test_whichever_class_is_wished_for_the_same_is_asked_and_only_once(tmp_path: Path):
    of = wishes("cow", "pig", "hen")
    with BadServer(model) as server:
        alone = [written(server, tmp_path, [one], calls="together")[0] for one in reversed(of)]
        assert len(server.asked) == 1
        assert written(server, tmp_path, of, calls="together") == alone[::-1]
        assert len(server.asked) == 1


def test_classes_that_differ_in_capitals_alone_keep_their_own_sentences(tmp_path: Path):
    with BadServer(model) as server:
        found = written(server, tmp_path, wishes("Turkey", "turkey", number=2), calls="together")
    assert ["Turkey" in text for text in found[0]] == [True, True]
    assert ["turkey" in text for text in found[1]] == [True, True]


def test_a_class_without_a_word_is_not_asked_for(tmp_path: Path):
    with BadServer(model) as server:
        found = written(server, tmp_path, wishes("+", "cow", number=1), calls="together")
        assert [set(wanted(said)) for said in server.asked] == [{"cow"}]
    assert found[0] == Failed("", "the class '+' has no word that a prompt could say", found[0].detail)
    assert len(found[1]) == 1


def test_what_may_be_said_is_in_the_question(tmp_path: Path):
    fields: list[dict[str, Any]] = [
        {},
        {"kinds": ("weather", "surroundings"), "uncommon": True},
        {"kinds": ()},
    ]
    with BadServer(model) as server:
        for one in fields:
            written(server, tmp_path, wishes("cow"), **one)
        all_parts, two, none = map(prompt, server.asked)
    assert "colour, the place or the surroundings, weather, time of day" in all_parts
    assert "hardly expect" not in all_parts
    assert "may say: weather, the place or the surroundings." in two
    assert "hardly expect" in two
    assert "a sentence says nothing" in none
    for text in (all_parts, two, none):
        assert "\n\n\n" not in text
        assert "{%" not in text
    with pytest.raises(ValidationError, match="leaves the surroundings out"):
        AskPrompts(writer=Endpoint(model="tiny"), kinds=("weather",), uncommon=True)


@pytest.mark.parametrize("says", [HTML, trouble(401, "wrong key")])
def test_an_endpoint_that_is_lost_ends_the_job(tmp_path: Path, says: Says):
    with BadServer(says) as server, pytest.raises(Unavailable):
        written(server, tmp_path, wishes("cow", "pig"))


def test_an_endpoint_that_is_down_is_told(tmp_path: Path):
    with pytest.raises(Unavailable, match="cannot be reached"):
        written(f"http://127.0.0.1:{closed_port()}/v1", tmp_path, wishes("cow"))


def test_a_model_on_this_machine_that_writes_nonsense_fails_every_class(tmp_path: Path):
    talker = save_talker(tmp_path / "talker")
    asked = AskPrompts(writer=LocalWriter(model=str(talker), max_tokens=40), calls="together")
    found = asked.load(Worker(workspace=tmp_path / "work", batch_size=2))(wishes("dog", "snow"))
    assert all(isinstance(failed, Failed) and failed.reason.startswith("no usable prompt") for failed in found)


def test_the_ways_to_write_are_told_apart_by_their_kind(tmp_path: Path):
    from pydantic import TypeAdapter

    read = TypeAdapter(PromptWriter).validate_python
    (tmp_path / "mine.csv").write_text("class,prompt\n")
    assert read({"kind": "published", "writer": {"model": "gpt"}}) == AskPrompts(writer=Endpoint(model="gpt"))
    assert read({"kind": "lexicon"}).kind == "lexicon"
    assert read({"kind": "given", "file": "mine.csv"}).kind == "given"
    with pytest.raises(ValidationError, match="no such file"):
        read({"kind": "given", "file": "yours/mine.csv"})
