"""Asking an endpoint that behaves and one that does not: what is retried, what ends it all, and what is asked twice."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from bad_server import HTML, BadServer, Says, answer, closed_port, completion, prompt, trouble
from counterfactory.asking.asker import Asker
from counterfactory.asking.conversation import Conversation, Question, until_valid
from counterfactory.asking.endpoint import Endpoint
from counterfactory.asking.holding import hold_abreast, hold_apart
from counterfactory.asking.reading import Invalid
from counterfactory.asking.replies import Replies
from counterfactory.errors import BadData, DiskTrouble, RunTooNew, Unavailable
from counterfactory.keys import key
from counterfactory.types import Failed

SECRET = "sk-a-key-that-nobody-may-see"  # noqa: S105 - it opens nothing


class Number(BaseModel, extra="forbid"):
    number: int


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No keys of the machine, and no `.env` of the folder that the tests run in."""
    for name in ("OPENAI_BASE_URL", "AZURE_ENDPOINT", "AZURE_API_KEY", "AZURE_API_VERSION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.chdir(tmp_path)


def endpoint(server: BadServer | str, **fields: Any) -> Endpoint:
    url = server if isinstance(server, str) else server.url
    return Endpoint(**{"model": "tiny", "base_url": url, "pause": 0.01, "timeout": 5, **fields})


def question(text: str, mean: Callable[[Any], Any] = lambda form: form.number) -> Question[Any]:
    return Question(text=text, form=Number, mean=mean)


def asked(server: BadServer | str, folder: Path, texts: Sequence[str] = ("1",), **fields: Any) -> list[Any]:
    """Questions, one a text, put to a server."""
    speaking = endpoint(server, **fields)
    held = [until_valid(question(text), speaking.tries) for text in texts]
    return hold_apart(held, Asker(speaking, folder), speaking.concurrency)


def numbers(said: dict[str, Any]) -> Says:
    return answer(number=int(prompt(said)))


def test_answers_come_in_order_and_are_asked_for_at_once_up_to_the_limit(tmp_path: Path):
    def late(said: dict[str, Any]) -> Says:
        return Says(numbers(said).body, seconds=0.03)

    texts = [str(n) for n in range(40)]
    with BadServer(late) as server:
        assert asked(server, tmp_path, texts, concurrency=8) == list(range(40))
        assert 4 <= server.at_once <= 8
        assert len(server.asked) == 40


def test_a_request_says_model_limit_temperature_and_schema_and_carries_the_key(tmp_path: Path):
    with BadServer(numbers) as server:
        asked(server, tmp_path, temperature=0.0)
    (said,) = server.asked
    assert (said["model"], said["max_tokens"], said["temperature"]) == ("tiny", 1024, 0.0)
    assert said["response_format"]["type"] == "json_schema"
    assert said["response_format"]["json_schema"]["schema"]["required"] == ["number"]
    assert "seed" not in said
    assert server.headers[0]["Authorization"] == f"Bearer {SECRET}"
    assert server.paths == ["/v1/chat/completions"]


def test_a_drawn_reply_has_a_seed_and_a_model_may_keep_its_own_temperature(tmp_path: Path):
    with BadServer(numbers) as server:
        asked(server, tmp_path, temperature=0.7)
        asked(server, tmp_path, temperature=None)
    assert server.asked[0]["seed"] == 0
    assert "temperature" not in server.asked[1]


def test_nothing_is_asked_twice(tmp_path: Path):
    with BadServer(numbers) as server:
        asked(server, tmp_path, ["1", "2", "1", "1"], concurrency=4)
        assert len(server.asked) == 2
        assert asked(server, tmp_path, ["2", "1"]) == [2, 1]
        assert asked(server, tmp_path, ["1"], concurrency=2, timeout=9, tries=1) == [1]
        assert len(server.asked) == 2
        asked(server, tmp_path, ["1"], max_tokens=9)
        assert len(server.asked) == 3


def test_another_server_with_the_same_model_is_not_asked_again(tmp_path: Path):
    with BadServer(numbers) as server:
        asked(server, tmp_path)
    with BadServer(numbers) as other:
        assert asked(other, tmp_path) == [1]
        assert not other.asked


def test_failures_are_not_asked_again_either(tmp_path: Path):
    with BadServer(completion("I'm sorry, I can't help with that.")) as server:
        first = asked(server, tmp_path)
        assert len(server.asked) == 3
        assert asked(server, tmp_path) == first
        assert len(server.asked) == 3
    assert isinstance(first[0], Failed)
    assert first[0].detail == "I'm sorry, I can't help with that."
    assert "3 tries" in first[0].reason
    assert "I'm sorry" in first[0].reason


def test_the_model_is_shown_what_was_wrong_and_may_mend_it(tmp_path: Path):
    def learns(said: dict[str, Any]) -> Says:
        return answer(number=5) if len(said["messages"]) == 3 else answer(nummer=5)

    with BadServer(learns) as server:
        assert asked(server, tmp_path) == [5]
    first, second = server.asked
    assert second["messages"][0] == first["messages"][0]
    assert second["messages"][1] == {"role": "assistant", "content": '{"nummer": 5}'}
    assert "nummer: Extra inputs are not permitted" in second["messages"][2]["content"]


def test_a_complaint_about_the_meaning_counts_too(tmp_path: Path):
    def mean(form: Number) -> int:
        if form.number < 3:
            raise Invalid("the number is too small")
        return form.number

    def counts(said: dict[str, Any]) -> Says:
        return answer(number=len(said["messages"]))

    with BadServer(counts) as server:
        speaking = endpoint(server)
        held = [until_valid(question("?", mean), 3)]
        assert hold_apart(held, Asker(speaking, tmp_path), 1) == [3]
        assert "the number is too small" in prompt(server.asked[1])


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (completion('{"number": '), "before it is whole"),
        (completion("[]"), "number: Input should be"),
        (completion("{}"), "number: Field required"),
        (answer(nummer=1), "nummer: Extra inputs"),
        (completion(""), "empty"),
        (completion(None), "empty"),
        (completion("<html><body>Bad gateway</body></html>"), "web page"),
        (completion("It's a dog's number"), "no JSON"),
        (completion('{"number": 1', finish="length"), "cut off at max_tokens"),
        (completion('{"number": 1}', finish="length"), "cut off at max_tokens"),
    ],
)
def test_a_reply_that_stays_bad_is_a_failed_row_with_its_raw_text(tmp_path: Path, says: Says, reason: str):
    with BadServer(says) as server:
        (failed,) = asked(server, tmp_path, tries=2)
        assert len(server.asked) == 2
    assert isinstance(failed, Failed)
    assert reason in failed.reason
    assert failed.detail == (json.loads(says.body)["choices"][0]["message"]["content"] or "")


def test_the_prompt_said_back_is_no_reply(tmp_path: Path):
    text = 'Say a number that is larger than another, such as {"number": 7}.'
    with BadServer(lambda said: completion(said["messages"][0]["content"])) as server:
        (failed,) = asked(server, tmp_path, [text])
    assert "repeats the question" in failed.reason


@pytest.mark.parametrize(
    "says", [completion("", refusal="I will not"), completion("I will not", finish="content_filter")]
)
def test_a_refusal_is_not_argued_with(tmp_path: Path, says: Says):
    with BadServer(says) as server:
        (failed,) = asked(server, tmp_path)
        assert len(server.asked) == 1
    assert failed == Failed("", "the model refused: I will not", "I will not")


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_said_once_and_ends_it_all(tmp_path: Path, status: int):
    with BadServer(trouble(status, f"Incorrect API key provided: {SECRET}")) as server:
        with pytest.raises(Unavailable, match=f"answers {status}.*OPENAI_API_KEY") as error:
            asked(server, tmp_path, [str(n) for n in range(1000)], concurrency=64)
        assert len(server.asked) == 1
    assert SECRET not in str(error.value)


def test_a_key_that_is_withdrawn_half_way_ends_it_and_keeps_what_was_answered(tmp_path: Path):
    turn = count(1)  # counted by itself: requests that come at once are all in `asked` before the first is answered

    def turns(said: dict[str, Any]) -> Says:
        return numbers(said) if next(turn) <= 20 else trouble(401, "Key expired")

    texts = [str(n) for n in range(500)]
    with BadServer(turns) as server:
        with pytest.raises(Unavailable, match="Key expired"):
            asked(server, tmp_path, texts, concurrency=8)
        assert len(server.asked) <= 20 + 2 * 8
        for thread in threading.enumerate():  # what was under way when the key was refused
            if thread.name == "asking":
                thread.join(timeout=10)
        server.behaviour, server.asked = numbers, []
        assert asked(server, tmp_path, texts, concurrency=8) == list(range(500))
        assert len(server.asked) == 480


def test_a_missing_key_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with BadServer(trouble(401, "No key")) as server, pytest.raises(Unavailable, match=r"OPENAI_API_KEY.*is not set"):
        asked(server, tmp_path)
    assert "Authorization" not in server.headers[0]


def test_an_endpoint_that_is_down_is_one_clear_message_and_quickly(tmp_path: Path):
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"cannot be reached .*refused.*base_url"):
        asked(f"http://127.0.0.1:{closed_port()}/v1", tmp_path, [str(n) for n in range(1000)], concurrency=64)
    assert time.monotonic() - began < 2


def test_an_endpoint_that_goes_down_half_way_ends_it_and_makes_no_failed_rows(tmp_path: Path):
    with BadServer(numbers) as server:
        ask = Asker(endpoint(server, pause=0.001), tmp_path)
        assert hold_apart([until_valid(question("1"), 3)], ask, 1) == [1]
        server.behaviour = lambda _said: Says("", is_cut=True, headers={"Content-Length": "100"})
        with pytest.raises(Unavailable, match=r"cannot be reached.*8 times in a row"):
            hold_apart([until_valid(question(str(n)), 3) for n in range(100)], ask, 8)
        assert len(server.asked) < 40


def test_a_rebuff_is_waited_out_for_as_long_as_the_endpoint_asks(tmp_path: Path):
    def limits(said: dict[str, Any]) -> Says:
        return numbers(said) if len(server.asked) > 2 else trouble(429, "Slow down", Retry_After="0.2")

    began = time.monotonic()
    with BadServer(limits) as server:
        assert asked(server, tmp_path) == [1]
        assert len(server.asked) == 3
    assert time.monotonic() - began >= 0.4


def test_a_rate_limit_that_lets_few_through_at_a_time_fails_nobody(tmp_path: Path):
    let = threading.Semaphore(2)

    def limits(said: dict[str, Any]) -> Says:
        if not let.acquire(blocking=False):
            return trouble(429, "Too many at once")
        time.sleep(0.002)
        let.release()
        return numbers(said)

    with BadServer(limits) as server:
        texts = [str(n) for n in range(100)]
        assert asked(server, tmp_path, texts, concurrency=32, pause=0.005) == list(range(100))


def test_an_endpoint_that_always_turns_away_ends_it(tmp_path: Path):
    with BadServer(trouble(429, "Too many")) as server:
        with pytest.raises(Unavailable, match=r"answers 429: Too many.*4 times in a row"):
            asked(server, tmp_path, [str(n) for n in range(100)], concurrency=16)
        assert len(server.asked) == 4


def test_an_endpoint_that_asks_for_an_hour_is_not_waited_for(tmp_path: Path):
    with (
        BadServer(trouble(429, "Quota of the day", Retry_After="3600")) as server,
        pytest.raises(Unavailable, match="wait 3600 seconds"),
    ):
        asked(server, tmp_path)


def test_an_account_without_means_ends_it_at_once(tmp_path: Path):
    body = json.dumps({"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}})
    with BadServer(Says(body, 429)) as server:
        with pytest.raises(Unavailable, match="no means left"):
            asked(server, tmp_path, ["1", "2", "3"])
        assert len(server.asked) == 1


def test_an_unknown_model_ends_it_at_once(tmp_path: Path):
    with BadServer(trouble(404, "model 'tiny' not found")) as server:
        with pytest.raises(Unavailable, match=r"model 'tiny' not found.*end as it should"):
            asked(server, tmp_path, ["1", "2", "3"])
        assert len(server.asked) == 1


def test_a_server_that_breaks_now_and_then_is_asked_again(tmp_path: Path):
    def breaks(said: dict[str, Any]) -> Says:
        first = [prompt(other) for other in server.asked].count(prompt(said)) == 1
        return trouble(503, "Loading") if first and int(prompt(said)) % 3 == 2 else numbers(said)

    with BadServer(breaks) as server:
        assert asked(server, tmp_path, [str(n) for n in range(20)], concurrency=4) == list(range(20))
        assert len(server.asked) == 20 + 6


def test_a_request_on_which_the_server_breaks_fails_alone(tmp_path: Path):
    def breaks(said: dict[str, Any]) -> Says:
        return trouble(500, "CUDA error") if prompt(said) == "3" else numbers(said)

    with BadServer(breaks) as server:
        found = asked(server, tmp_path, [str(n) for n in range(6)], concurrency=2, pause=0.001)
    assert [n for n in found if not isinstance(n, Failed)] == [0, 1, 2, 4, 5]
    assert "answers 500: CUDA error" in found[3].reason


def test_a_request_that_is_refused_fails_alone_and_one_after_the_other_ends_it(tmp_path: Path):
    def picky(said: dict[str, Any]) -> Says:
        return trouble(400, "Context too long") if int(prompt(said)) > 4 else numbers(said)

    with BadServer(picky) as server:
        found = asked(server, tmp_path, [str(n) for n in range(6)], concurrency=2)
        assert found[:5] == list(range(5))
        assert "Context too long" in found[5].reason
        assert asked(server, tmp_path, [str(n) for n in range(6)]) == found
        assert len(server.asked) == 6
        with pytest.raises(Unavailable, match=r"Context too long.*with 16 requests"):
            asked(server, tmp_path, ["-1", *(str(n) for n in range(10, 1000))], concurrency=2)
        assert len(server.asked) < 40


@pytest.mark.parametrize("says", [HTML, Says("half a {"), Says('{"choices": []}'), Says('{"error": "no"}'), Says("")])
def test_what_is_no_completion_ends_it_soon_and_is_shown(tmp_path: Path, says: Says):
    with BadServer(says) as server:
        with pytest.raises(Unavailable, match="answers 200, but no chat completion"):
            asked(server, tmp_path, [str(n) for n in range(100)], concurrency=8)
        assert len(server.asked) < 10


def test_a_slow_server_ends_it_and_a_slow_reply_fails_alone(tmp_path: Path):
    with BadServer(lambda said: Says(numbers(said).body, seconds=0.4)) as server:
        with pytest.raises(Unavailable, match=r"did not answer within 0.05 seconds"):
            asked(server, tmp_path / "a", [str(n) for n in range(50)], timeout=0.05, pause=0.001)
        assert len(server.asked) < 20

    def sleepy(said: dict[str, Any]) -> Says:
        return Says(numbers(said).body, seconds=0.5 if prompt(said) == "1" else 0)

    with BadServer(sleepy) as server:
        found = asked(server, tmp_path / "b", ["0", "1", "2"], timeout=0.1, concurrency=2)
        assert (found[0], found[2]) == (0, 2)
        assert "within 0.1 seconds" in found[1].reason


def test_a_reply_that_drips_is_slow_too(tmp_path: Path):
    slow = Says(answer(number=1).body, drip=0.02)
    with BadServer(slow) as server, pytest.raises(Unavailable, match="did not answer within"):
        asked(server, tmp_path, timeout=0.1, pause=0.001, texts=["1", "2", "3", "4"])


def test_a_redirect_is_not_followed_with_the_key(tmp_path: Path):
    with BadServer(numbers) as other:
        moved = Says("moved", 307, {"Location": other.url})
        with BadServer(moved) as server, pytest.raises(Unavailable, match="answers 307"):
            asked(server, tmp_path)
        assert not other.asked


@pytest.mark.parametrize("status", [400, 422, 500, 501])
def test_a_server_that_knows_no_schema_is_asked_in_its_way_and_that_is_remembered(tmp_path: Path, status: int):
    def plain(said: dict[str, Any]) -> Says:
        return trouble(status, "unknown field response_format") if "response_format" in said else numbers(said)

    with BadServer(plain) as server:
        assert asked(server, tmp_path, [str(n) for n in range(9)]) == list(range(9))
    kinds = [said.get("response_format", {}).get("type") for said in server.asked]
    assert kinds == ["json_schema", "json_object", *[None] * 9]


def test_a_server_that_knows_the_flat_schema_is_given_that(tmp_path: Path):
    def flat(said: dict[str, Any]) -> Says:
        return numbers(said) if said["response_format"]["type"] == "json_object" else trouble(400, "unknown type")

    with BadServer(flat) as server:
        assert asked(server, tmp_path, ["1", "2"]) == [1, 2]
    assert len(server.asked) == 3
    assert server.asked[1]["response_format"]["schema"]["required"] == ["number"]


def test_a_first_request_that_is_refused_in_every_way_does_not_spoil_the_way_for_others(tmp_path: Path):
    def picky(said: dict[str, Any]) -> Says:
        return trouble(400, "Filtered") if prompt(said) == "0" else numbers(said)

    with BadServer(picky) as server:
        found = asked(server, tmp_path, ["0", "1"], concurrency=1)
    assert isinstance(found[0], Failed)
    assert server.asked[-1]["response_format"]["type"] == "json_schema"


def test_a_model_that_wants_the_limit_by_its_newer_name_gets_it(tmp_path: Path):
    def newer(said: dict[str, Any]) -> Says:
        wanted = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        return trouble(400, wanted) if "max_tokens" in said else numbers(said)

    with BadServer(newer) as server:
        assert asked(server, tmp_path, ["1", "2"]) == [1, 2]
    assert len(server.asked) == 3
    assert server.asked[1]["response_format"]["type"] == "json_schema"


def test_content_in_parts_and_half_characters_are_read(tmp_path: Path):
    parts = [{"type": "text", "text": '{"number":'}, {"type": "text", "text": " 4}"}]
    with BadServer(completion(parts)) as server:  # type: ignore[arg-type]
        assert asked(server, tmp_path / "a") == [4]
    with BadServer(completion("a half \ud83d")) as server:
        assert asked(server, tmp_path / "b")[0].detail == "a half ?"


def test_the_key_is_in_nothing_that_is_kept_even_if_the_server_says_it_back(tmp_path: Path, caplog: Any):
    caplog.set_level(0)
    speaking = endpoint("http://localhost:1")
    with BadServer(lambda said: completion(f"The key is {server.headers[0]['Authorization']}")) as server:
        (failed,) = asked(server, tmp_path / "runs")
        ask = Asker(endpoint(server), tmp_path / "runs")
    shown = [repr(ask._access), repr(speaking), speaking.model_dump_json(), str(failed), caplog.text]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "runs").rglob("*"))
    assert SECRET not in "".join(shown)
    assert SECRET.encode() not in kept
    assert b"The key is Bearer [the key]" in kept


def test_an_address_that_holds_a_key_is_refused():
    for url in ("http://me:secret@host/v1", "https://host/v1?api_key=secret", "host:8000", "http://["):
        with pytest.raises(ValidationError, match="address"):
            Endpoint(model="m", base_url=url)


def test_what_does_not_change_a_reply_is_not_part_of_what_identifies_it():
    plain = Endpoint(model="m")
    aside = Endpoint(model="m", base_url="http://x/v1", concurrency=3, tries=1, timeout=1, pause=0)
    assert key(plain) == key(aside)
    assert len({key(plain), key(Endpoint(model="n")), key(Endpoint(model="m", temperature=1))}) == 3


def test_an_error_in_a_picture_fails_its_item_and_any_other_stops_all(tmp_path: Path):
    def broken(error: Exception) -> Conversation[int]:
        raise error
        yield

    with BadServer(numbers) as server:
        ask = Asker(endpoint(server), tmp_path)
        assert hold_apart([broken(BadData("no image"))], ask, 1) == [Failed("", "no image")]
        with pytest.raises(KeyError):
            hold_apart([broken(KeyError("x")), *(until_valid(question(str(n)), 1) for n in range(5))], ask, 2)


def test_conversations_abreast_are_answered_round_by_round():
    from counterfactory.asking.chat import Reply

    sizes = []

    def reply(chats: Sequence[Any]) -> list[Reply]:
        sizes.append(len(chats))
        return [Reply(text='{"number": 1}' if chat.attempt or "now" in chat.messages[0].text else "") for chat in chats]

    held = [until_valid(question(text), 2) for text in ("now", "later", "now")]
    assert hold_abreast(held, reply) == [1, 1, 1]
    assert sizes == [3, 1]
    assert hold_abreast([], reply) == []
    (failed,) = hold_abreast([until_valid(question("later"), 1)], reply)
    assert isinstance(failed, Failed)


def test_replies_that_a_later_version_wrote_or_that_are_damaged_are_told(tmp_path: Path):
    replies = Replies(tmp_path)
    replies._db.execute("pragma user_version = 9")
    with pytest.raises(RunTooNew):
        Replies(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "replies.db").write_text("this is no database " * 100)
    with pytest.raises(DiskTrouble, match="set the file aside"):
        Replies(tmp_path / "other")
