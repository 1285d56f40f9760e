"""Holds many conversations: each with its own thread against an endpoint, or abreast in batches on this machine."""

from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

from counterfactory.asking.chat import Chat, NoAnswer, Reply
from counterfactory.asking.conversation import Answer, Conversation
from counterfactory.errors import BadData
from counterfactory.types import Failed

Ended = list[Answer | Failed]


def hold_apart(held: Sequence[Conversation[Answer]], ask: Callable[[Chat], Reply], at_once: int) -> Ended[Answer]:
    """Answers in order; what is raised but `NoAnswer` stops all, and is raised here as soon as it is known."""
    todo, turn, stop = iter(enumerate(held)), Lock(), Event()
    ended: SimpleQueue[tuple[int, Any]] = SimpleQueue()

    def work() -> None:
        while not stop.is_set():
            with turn:
                number, conversation = next(todo, (-1, None))
            if conversation is None:
                return
            try:
                ended.put((number, _held(conversation, ask)))
            except Exception as error:  # noqa: BLE001 - it is raised below, in the thread that waits
                ended.put((number, error))
                return

    for _ in range(min(at_once, len(held))):
        Thread(target=work, name="asking", daemon=True).start()  # a daemon: Ctrl-C must not wait for a slow reply
    answers: dict[int, Any] = {}
    try:
        while len(answers) < len(held):
            number, answer = ended.get()
            if isinstance(answer, Exception):
                raise answer
            answers[number] = answer
    finally:
        stop.set()
    return [answers[number] for number in range(len(held))]


def _held(conversation: Conversation[Answer], ask: Callable[[Chat], Reply]) -> Answer | Failed:
    """One conversation from its first word to its last."""
    try:
        chat = next(conversation)
        while True:
            chat = conversation.send(ask(chat))
    except StopIteration as ended:
        answer: Answer = ended.value
        return answer
    except NoAnswer as error:
        return Failed("", error.reason, error.detail)
    except BadData as error:  # of a picture that is to be shown
        return Failed("", str(error))


def hold_abreast(
    held: Sequence[Conversation[Answer]], reply: Callable[[Sequence[Chat]], Sequence[Reply]]
) -> Ended[Answer]:
    """Answers in order; all that is waited for at one moment is replied to together."""
    answers: dict[int, Answer | Failed] = {}
    heard: dict[int, Reply | None] = dict.fromkeys(range(len(held)))
    while heard:
        chats = {}
        for number, said in heard.items():
            try:
                chats[number] = next(held[number]) if said is None else held[number].send(said)
            except StopIteration as ended:
                answers[number] = ended.value
            except NoAnswer as error:
                answers[number] = Failed("", error.reason, error.detail)
        heard = dict(zip(chats, reply(list(chats.values())), strict=True)) if chats else {}
    return [answers[number] for number in range(len(held))]
