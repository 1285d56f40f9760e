"""DILLEMA's language steps against an endpoint: what is asked, what is taken, and what of bad replies becomes of it."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bad_server import HTML, BadServer, Says, answer, closed_port, completion, prompt, trouble
from counterfactory.asking.endpoint import Endpoint
from counterfactory.errors import Unavailable
from counterfactory.keys import key
from counterfactory.language.prompts import EXAMPLE, Prompts, fill
from counterfactory.language.published import Published, choices
from counterfactory.run import Run
from counterfactory.testing import StepContract
from counterfactory.types import Edit, Failed, Passage, Rewriting
from counterfactory.worker import Worker

PASSAGE = Passage(caption="a man's red car on wet grass", label="car", task="finding cars", synonyms=("automobile",))
OTHERS = {"red": ["blue", "green", "yellow"], "wet": ["dry", "frozen"], "grass": ["sand"]}
KIND = {"red": "colour", "wet": "weather", "grass": "surroundings"}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "AZURE_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def model(said: dict[str, Any]) -> Says:
    """A language model that does what it is asked."""
    text = said["messages"][0]["content"]
    caption = re.findall(r"described so: (.*)", text)[0]
    if '{"keywords"' in text:
        return answer(keywords=[{"words": word, "kind": KIND[word]} for word in KIND if word in caption])
    if '{"alternatives"' in text:
        wanted = re.findall(r"to be replaced: (.*)\.", text)[0].split("; ")
        return answer(alternatives=[{"words": word, "instead": OTHERS[word]} for word in wanted])
    if '{"counterfactuals"' in text:
        count = int(re.findall(r"Make (\d+) new", text)[0])
        pairs = [(old, new) for old in OTHERS for new in OTHERS[old] if old in caption]
        return answer(counterfactuals=[changed(caption, *pair) for pair in pairs[:count]])
    for old, new in re.findall(r'in place of "(.*)" it says "(.*)"', text):
        caption = caption.replace(old, new)
    return answer(caption=caption)


def changed(caption: str, old: str, new: str, kind: str = "") -> dict[str, Any]:
    edits = [{"kind": kind or KIND.get(old, "other"), "old": old, "new": new}]
    return {"edits": edits, "caption": caption.replace(old, new)}


def step(server: BadServer | str, **fields: Any) -> Published:
    url = server if isinstance(server, str) else server.url
    return Published(writer=Endpoint(model="tiny", base_url=url, pause=0.01, timeout=5), **fields)


def rewritten(server: BadServer | str, folder: Path, passages: Sequence[Passage] = (PASSAGE,), **fields: Any) -> Any:
    return step(server, **fields).load(Worker(workspace=folder))(passages)


class TestSeparateCalls(StepContract):
    @pytest.fixture(autouse=True)
    def _serve(self) -> Any:
        with BadServer(model) as self.server:
            yield

    def step(self) -> Any:
        return step(self.server, counterfactuals=2, edits_per_image=2)

    def items(self) -> Sequence[Any]:
        return [Passage(caption=f"a red car number {n} on wet grass", label="car") for n in range(4)]


class TestOneCall(TestSeparateCalls):
    def step(self) -> Any:
        return step(self.server, counterfactuals=2, calls="together")


def test_the_published_steps_are_asked_one_after_the_other_and_one_factor_changes(tmp_path: Path):
    with BadServer(model) as server:
        ((new,),) = rewritten(server, tmp_path)
    (edit,) = new.edits
    assert edit.kind == KIND[edit.old]
    assert new.caption == PASSAGE.caption.replace(edit.old, edit.new)
    assert len(server.asked) == 3
    for said in server.asked:
        assert "a man's red car on wet grass" in prompt(said)
        assert "task: finding cars." in prompt(said)
        assert "label is: car (also called automobile)." in prompt(said)


def test_up_to_three_edits_are_mixed_as_the_paper_does(tmp_path: Path):
    with BadServer(model) as server:
        ((new,),) = rewritten(server, tmp_path, edits_per_image=3)
    assert [edit.old for edit in new.edits] == ["red", "wet", "grass"]
    assert new.caption.startswith("a man's")


def test_several_counterfactuals_differ_and_there_are_no_more_than_there_can_be(tmp_path: Path):
    with BadServer(model) as server:
        (found,) = rewritten(server, tmp_path, counterfactuals=5)
        assert len({new.caption for new in found}) == 5
        (found,) = rewritten(server, tmp_path, counterfactuals=20)
        assert len(found) == 6


def test_in_one_call_everything_comes_at_once(tmp_path: Path):
    with BadServer(model) as server:
        (found,) = rewritten(server, tmp_path, counterfactuals=3, calls="together")
        assert len(server.asked) == 1
    assert [new.caption for new in found] == [f"a man's {new} car on wet grass" for new in OTHERS["red"]]
    assert found[0].edits == (Edit(kind="colour", old="red", new="blue"),)


def test_only_kinds_that_are_wanted_are_changed(tmp_path: Path):
    with BadServer(model) as server:
        (found,) = rewritten(server, tmp_path, counterfactuals=9, kinds=("weather",))
    assert {edit.kind for new in found for edit in new.edits} == {"weather"}


def test_words_of_the_label_and_words_that_are_not_there_are_left_out(tmp_path: Path):
    def careless(said: dict[str, Any]) -> Says:
        if '{"keywords"' in said["messages"][0]["content"]:
            named = [("red car", "other"), ("cars", "other"), ("fog", "weather"), ("", "other"), ("Wet", "WEATHER")]
            return answer(keywords=[{"words": words, "kind": kind} for words, kind in named])
        if '{"alternatives"' in said["messages"][0]["content"]:
            return answer(
                alternatives=[
                    {"words": "wet", "instead": ["wet", "", "car's", "dry."]},
                    {"words": "x", "instead": ["y"]},
                ]
            )
        return model(said)

    with BadServer(careless) as server:
        ((new,),) = rewritten(server, tmp_path)
    assert new.edits == (Edit(kind="weather", old="wet", new="dry"),)


def test_the_model_is_told_which_words_changed_that_should_not(tmp_path: Path):
    def eager(said: dict[str, Any]) -> Says:
        if '{"caption"' in said["messages"][0]["content"] and len(said["messages"]) == 1:
            return answer(caption="a woman's pink truck in the desert")
        return model(said)

    with BadServer(eager) as server:
        ((new,),) = rewritten(server, tmp_path)
        assert len(server.asked) == 4
    assert "label" in prompt(server.asked[3])
    assert new.caption.count("car") == 1


def test_of_a_reply_that_stays_half_good_the_good_half_is_kept(tmp_path: Path):
    caption = PASSAGE.caption
    good, bad = changed(caption, "wet", "dry"), changed(caption, "car", "bus")
    with BadServer(answer(counterfactuals=[bad, good])) as server:
        (found,) = rewritten(server, tmp_path, counterfactuals=2, calls="together")
        assert len(server.asked) == 3
    assert found == (Rewriting(caption=good["caption"], edits=(Edit(kind="weather", old="wet", new="dry"),)),)


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (changed(PASSAGE.caption, "car", "bus", "colour"), "label"),
        (changed(PASSAGE.caption, "red", "red"), "same as the old one"),
        ({"edits": [], "caption": "a man's car"}, "0 edits, expected one"),
        (changed(PASSAGE.caption, "red", "blue", "size"), "'size' is none of colour"),
        (changed(PASSAGE.caption, "red", "blue", "mood"), "kind: Input should be"),
        (
            {**changed(PASSAGE.caption, "red", "blue"), "caption": "a man's blue car on dry grass"},
            "other words changed",
        ),
    ],
)
def test_what_is_not_as_asked_fails_with_the_complaint(tmp_path: Path, one: dict[str, Any], reason: str):
    with BadServer(answer(counterfactuals=[one])) as server:
        (failed,) = rewritten(server, tmp_path, calls="together", kinds=("colour", "weather"))
    assert isinstance(failed, Failed)
    assert reason in failed.reason
    assert json.loads(failed.detail) == {"counterfactuals": [one]}


BAD = [
    (completion("<html><body>502 Bad Gateway</body></html>"), "web page"),
    (completion('{"keywords": [{"words": "red"'), "before it is whole"),
    (completion("[]"), "no keyword can be used|Input should be|no new|0 of 1"),
    (answer(words=["red"]), "Field required"),
    (completion("I'm sorry, I can't do that."), "I'm sorry"),
    (completion("", refusal="no"), "the model refused: no"),
    (completion("['a man', \"s red hat\""), "no JSON|before it is whole"),
    (completion(""), "empty"),
]


@pytest.mark.parametrize("calls", ["separate", "together"])
@pytest.mark.parametrize(("says", "reason"), BAD)
def test_bad_replies_are_failed_rows_whichever_way_it_is_asked(tmp_path: Path, says: Says, reason: str, calls: str):
    with BadServer(says) as server:
        (failed,) = rewritten(server, tmp_path, calls=calls)
        assert len(server.asked) <= 3
    assert isinstance(failed, Failed)
    assert re.search(reason, failed.reason)


@pytest.mark.parametrize("calls", ["separate", "together"])
def test_the_prompt_said_back_is_a_failed_row(tmp_path: Path, calls: str):
    with BadServer(lambda said: completion(said["messages"][0]["content"])) as server:
        (failed,) = rewritten(server, tmp_path, calls=calls)
    assert "repeats the question" in failed.reason


def test_single_quotes_and_apostrophes_are_read_where_they_can_be(tmp_path: Path):
    edits = "[{'kind': 'color', 'old': 'red', 'new': 'blue'}]"
    text = f"{{'counterfactuals': [{{'edits': {edits}, 'caption': \"a man's blue car on wet grass\"}},]}}"
    with BadServer(completion(text)) as server:
        ((new,),) = rewritten(server, tmp_path, calls="together")
    assert new.caption == "a man's blue car on wet grass"
    assert new.edits[0].kind == "colour"


@pytest.mark.parametrize("says", [HTML, trouble(401, "wrong key"), trouble(429, "slow down")])
def test_an_endpoint_that_is_lost_ends_the_run_and_fails_no_item(tmp_path: Path, says: Says):
    passages = [Passage(caption=f"a red car number {n}") for n in range(1000)]
    with BadServer(says) as server, Run(tmp_path / "r" / "run", Worker(workspace=tmp_path / "r")) as run:
        with pytest.raises(Unavailable):
            run.map(step(server), passages)
        assert run.failures() == []
        assert len(server.asked) < 10


def test_an_endpoint_that_is_down_is_told_quickly(tmp_path: Path):
    with pytest.raises(Unavailable, match="cannot be reached"):
        rewritten(f"http://127.0.0.1:{closed_port()}/v1", tmp_path)


def test_a_second_run_asks_nothing_failures_included(tmp_path: Path):
    def often(said: dict[str, Any]) -> Says:
        return completion("no") if "number 3" in said["messages"][0]["content"] else model(said)

    passages = [Passage(caption=f"a red car number {n} on wet grass", label="car") for n in range(20)]
    with BadServer(often) as server:
        for _ in range(2):
            with Run(tmp_path / "r" / "run", Worker(workspace=tmp_path / "r")) as run:
                found = list(run.map(step(server), passages))
        asked = len(server.asked)
        (tmp_path / "r" / "store.db").unlink()
        with Run(tmp_path / "r" / "again", Worker(workspace=tmp_path / "r")) as run:
            assert list(run.map(step(server), passages))[4:] == found[4:]
        assert len(server.asked) == asked == 19 * 3 + 3
    assert sum(isinstance(result, Failed) for result in found) == 1


def test_a_template_of_one_s_own_is_used_and_part_of_what_identifies_the_step(tmp_path: Path):
    ours = Prompts(together='Describe {{ caption }} anew. {"counterfactuals"} Make {{ counterfactuals }} new')
    with BadServer(answer(counterfactuals=[changed(PASSAGE.caption, "red", "blue")])) as server:
        rewritten(server, tmp_path, calls="together", prompts=ours)
    assert prompt(server.asked[0]).startswith("Describe a man's red car on wet grass anew.")
    assert key(step("http://x/v1", prompts=ours)) != key(step("http://x/v1"))


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ caption }} {{ captoin }}", "'captoin' is undefined.; it may use caption"),
        ("{{ caption }} {% if %}", "cannot be filled"),
        ("{{ caption.__class__.__mro__ }} {{ caption }}", "unsafe"),
        ("{{ synonyms.append(1) }} {{ caption }}", "unsafe"),
        ("{{ 1 / 0 }} {{ caption }}", "division"),
        ("Write something.", "does not show"),
    ],
)
def test_a_template_that_cannot_work_or_wants_too_much_is_refused(template: str, why: str):
    with pytest.raises(ValidationError, match=why):
        Prompts(keywords=template)


def test_a_caption_that_looks_like_a_template_is_only_text():
    caption = "a sign that says {{ label }} {% raw %}"
    assert caption in fill(Prompts().keywords, {**EXAMPLE, "caption": caption})


def test_every_prompt_reads_well_without_a_task_a_label_or_a_second_edit():
    bare = {**EXAMPLE, "task": "", "label": "", "synonyms": [], "counterfactuals": 1}
    for template in Prompts().model_dump().values():
        text = fill(template, bare)
        assert "\n\n\n" not in text
        assert "label is" not in text
    assert "Make 1 new description of it" in fill(Prompts().together, bare)
    assert "replace one to 3 words" in fill(Prompts().together, {**EXAMPLE, "edits_per_image": 3})


def test_a_writer_without_a_kind_is_an_endpoint():
    assert Published.model_validate({"writer": {"model": "gpt"}}).writer == Endpoint(model="gpt")
    assert Published.model_validate({"writer": {"model": "gpt", "kind": "local"}}).writer.kind == "local"


def test_choices_are_different_and_follow_from_the_seed():
    edits = [[Edit(kind="other", old=old, new=str(n)) for n in range(3)] for old in "abc"]
    assert len(set(choices(edits, 2, 27, 0))) == 27
    assert len(choices(edits, 1, 20, 0)) == 9
    assert choices(edits, 3, 5, 1) == choices(edits, 3, 5, 1) != choices(edits, 3, 5, 2)
    assert all(len({edit.old for edit in chosen}) == 2 for chosen in choices(edits, 2, 9, 0))
