"""Raw replies as values: finds the one JSON value that is meant, and says what is wrong where there is none."""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

LONGEST = 100_000  # characters; a longer reply is no answer to any question here
THOUGHTS = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
FENCED = re.compile(r"```[\w-]*[ \t]*\n(.*?)```", re.DOTALL)
TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')
OPENING = re.compile(r"[{\[]")
SURROGATE = re.compile(r"\\ud[89a-f][0-9a-f]{2}")  # as Python shows it; pairs of them are one character by then
BROKEN = 50  # brackets that may begin no JSON, after which no more is looked for
ECHO_FROM = 40  # characters of a question; a shorter one may well stand in its answer
Form = TypeVar("Form", bound=BaseModel)


class Invalid(ValueError):
    """A reply that cannot be used, in words that the model is shown; `instead` is what of it could be, if need be."""

    def __init__(self, complaint: str, instead: Any = None):
        super().__init__(complaint)
        self.instead = instead


def read_form(text: str, form: type[Form], said: Iterable[str] = ()) -> Form:
    """A reply as the form that was asked for; `said` are the texts before it, which some servers repeat."""
    value = json_value(text, said)
    fields = list(form.model_fields)
    if isinstance(value, list) and len(fields) == 1:
        value = {fields[0]: value}  # the list alone can only mean this field
    try:
        return form.model_validate(value)
    except ValidationError as error:
        raise Invalid(f"the JSON has not the form that was asked for: {_told(error)}") from None


def json_value(text: str, said: Iterable[str] = ()) -> Any:
    """The one JSON value in a reply, mended where only one reading is possible."""
    whole = text.strip().lstrip("\ufeff")
    rest = _without_echo(whole, said)
    if not rest:
        raise Invalid("it repeats the question and answers nothing" if whole else "it is empty")
    if len(rest) > LONGEST:
        raise Invalid(f"it has {len(rest):,} characters, at most {LONGEST:,} can be an answer")
    rest = THOUGHTS.sub("", rest).strip()
    for candidate in _candidates(rest):
        found = _values(candidate)
        if len(found) == 1:
            if SURROGATE.search(repr(found[0])):
                raise Invalid("it holds half of a character (a lone surrogate), which no text can")
            return found[0]
        if found:
            raise Invalid(f"it holds {len(found)} JSON values, expected one")
    raise Invalid(_missing(rest))


def _without_echo(text: str, said: Iterable[str]) -> str:
    for message in sorted((message.strip() for message in said), key=len, reverse=True):
        if len(message) >= ECHO_FROM and message in text:
            text = text.replace(message, "").strip()
    return text


def _candidates(text: str) -> Iterator[str]:
    """The reply as it is, then what stands in its only code fence, then both with the commas mended."""
    fenced = FENCED.findall(text)
    texts = [text, *fenced] if len(fenced) == 1 else [text]
    yield from texts
    yield from (TRAILING_COMMA.sub(lambda found: found[1] or "", part) for part in texts)


def _values(text: str) -> list[Any]:
    """The objects that stand in a text, or else its lists; a whole text may also be written as Python would."""
    whole = _decoded(text)
    if isinstance(whole, dict | list):
        return [whole]
    found = list(_inside(text)) or list(_as_python(text))
    return [value for value in found if isinstance(value, dict)] or found


def _decoded(text: str) -> Any:
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _inside(text: str) -> Iterator[Any]:
    """Objects and lists of JSON amid prose, the outermost ones."""
    decoder, at, broken = json.JSONDecoder(strict=False), 0, 0
    while broken < BROKEN and (match := OPENING.search(text, at)):
        try:
            value, at = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            at, broken = _past_broken(text, match.start()), broken + 1
            continue
        if value:
            yield value


def _past_broken(text: str, start: int) -> int:
    """Where to look on behind a bracket that begins no JSON: behind its whole value if that is an object."""
    return len(text) if text[start] == "{" else start + 1


def _as_python(text: str) -> Iterator[Any]:
    """One object between the outermost braces, with single quotes or trailing commas."""
    start, end = text.find("{"), text.rfind("}") + 1
    try:
        value = ast.literal_eval(text[start:end]) if 0 <= start < end else None
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return
    if isinstance(value, dict) and value:
        yield value


def _missing(text: str) -> str:
    shown = " ".join(text[:80].split())
    if text.lstrip().lower().startswith(("<!doctype", "<html")):
        return f"it is a web page and no JSON: {shown}"
    if text.count("{") > text.count("}"):
        return f"its JSON ends before it is whole: {shown}"
    return f"there is no JSON in it that can be read; it begins: {shown}"


def _told(error: ValidationError) -> str:
    problems = [f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['msg']}" for e in error.errors(include_url=False)]
    return "; ".join(problems[:5])
