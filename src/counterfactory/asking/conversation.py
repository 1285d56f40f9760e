"""A question until its answer is one. Conversations are generators: they say chats and hear replies, wherever from."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from counterfactory.asking.chat import Chat, Message, NoAnswer, Picture, Reply
from counterfactory.asking.reading import Invalid, read_form

Answer = TypeVar("Answer")
Conversation = Generator[Chat, Reply, Answer]
SHOWN = 2000  # characters of a bad reply that the model is shown again


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Generic[Answer]):
    """What is asked, the form of the answer, and what the answer means; `mean` raises `Invalid` with a complaint."""

    text: str
    form: type[BaseModel]
    mean: Callable[[Any], Answer]
    pictures: tuple[Picture, ...] = ()
    seed: int = 0


def until_valid(question: Question[Answer], tries: int) -> Conversation[Answer]:
    """Asks, and asks again with the complaint shown, at most `tries` times; then there is a part, or no answer."""
    instead: Answer | None = None
    messages: tuple[Message, ...] = (Message(role="user", text=question.text, pictures=question.pictures),)
    for attempt in range(tries):
        reply = yield Chat(messages=messages, form=question.form, seed=question.seed, attempt=attempt)
        if reply.finish == "refused":
            raise NoAnswer(f"the model refused: {reply.text[:200] or 'without a word'}", reply.text)
        try:
            return _answer(question, reply)
        except Invalid as invalid:
            complaint, instead = str(invalid), instead or invalid.instead
        messages = (*messages, *_again(reply, complaint))
    if instead is not None:
        return instead
    raise NoAnswer(f"no usable reply in {tries} {'try' if tries == 1 else 'tries'}: {complaint}", reply.text)


def _answer(question: Question[Answer], reply: Reply) -> Answer:
    if reply.finish == "length":
        raise Invalid("it was cut off at max_tokens before it was whole: a shorter answer or a larger limit is needed")
    return question.mean(read_form(reply.text, question.form, [question.text]))


def _again(reply: Reply, complaint: str) -> tuple[Message, Message]:
    shown = reply.text[:SHOWN].strip() or "(nothing)"  # an empty turn is refused by some servers
    text = f"Your reply cannot be used: {complaint}. Answer the same question again, with nothing but the JSON."
    return Message(role="assistant", text=shown), Message(role="user", text=text)
