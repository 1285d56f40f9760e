"""What a language model is asked when prompts for classes are wanted, and what of its reply can be used."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from counterfactory.asking.reading import Invalid, json_value
from counterfactory.language.class_prompts.names import Classes, called, composed, matched, spoken
from counterfactory.language.kinds import Kind
from counterfactory.language.prompts import fill
from counterfactory.language.words import phrase

LONGEST = 300  # characters of a prompt; text encoders read less
SHOWN_OTHERS = 100  # names that must not be said, in a question; where there are more, only the most alike ones
SHOWN_THERE = 100  # sentences that must not come again
SHOWN_TROUBLES = 8

QUESTION = """\
Describe photographs, each in one English sentence of at most 25 words.
{% if about %}
They must fit to a data set of this kind: {{ about }}
{% endif %}

So many sentences are wanted for each of these classes:
{% for class in classes %}
- {{ class.name }}{% if class.spoken != class.name %} (say: {{ class.spoken }}){% endif %}: {{ class.number }}
{% endfor %}

In each sentence its class is the main thing in the picture, is named by exactly these words, and keeps the look that
it has in reality. No sentence names {% if classes | length > 1 %}another class of this list{% if others %}, or any
of: {{ others | join("; ") }}{% endif %}{% elif others %}any of these: {{ others | join("; ") }}{% else %}a second
thing of the same importance{% endif %}.
{% if kinds %}
Besides its class, a sentence may say: {{ kinds | join(", ") }}. None of these must be said, and nothing else should be.
{% else %}
Besides its class, a sentence says nothing.
{% endif %}
{% if uncommon %}
The surroundings are such as one would hardly expect for the class; the picture must still be possible to take.
{% endif %}
All sentences differ, and so do their pictures. An example for the class dog: {{ example }}
{% if there %}

These are there already; write others:
{% for sentence in there %}
- {{ sentence }}
{% endfor %}
{% endif %}
{% if troubles %}

Of the last reply this could not be used:
{% for trouble in troubles %}
- {{ trouble }}
{% endfor %}
{% endif %}

Answer with nothing but JSON of this form, with the class names as they stand in the list:
{{ form }}
"""
SAID_AS: Mapping[Kind, str] = {
    "other": "other qualities that one sees",
    "surroundings": "the place or the surroundings",
    "light": "the light",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Several classes in one question: how many sentences each still lacks, and what is known of all of them."""

    numbers: Mapping[str, int]
    classes: Classes
    others: tuple[str, ...]  # classes of the data that are not asked for
    about: str
    kinds: tuple[Kind, ...]
    uncommon: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a reply gave that can be used, by class, and what is wrong with the rest."""

    prompts: Mapping[str, tuple[str, ...]]
    troubles: tuple[str, ...]
    is_refused: bool = False


def text_of(asked: Asked, there: Mapping[str, Sequence[str]], troubles: Sequence[str]) -> str:
    """The question in words; what is there already must not come again."""
    last = max(1, SHOWN_THERE // len(asked.numbers))
    place = "under water" if asked.uncommon else "on a wet road at dusk"
    given = {
        "about": asked.about,
        "classes": [{"name": name, "spoken": spoken(name), "number": n} for name, n in asked.numbers.items()],
        "others": _alike(asked.others, asked.numbers),
        "kinds": [SAID_AS.get(kind, kind) for kind in asked.kinds],
        "uncommon": asked.uncommon,
        "example": f'"a photo of a small dog {place}"' if asked.kinds else '"a photo of a dog"',
        "there": [sentence for name in asked.numbers for sentence in there[name][-last:]],
        "troubles": troubles[:SHOWN_TROUBLES],
        "form": json.dumps({name: ["..."] for name in asked.numbers}, ensure_ascii=False),
    }
    return fill(QUESTION, given)


@lru_cache(maxsize=256)
def form_of(names: tuple[str, ...]) -> type[BaseModel]:
    """The form of a reply: a list of sentences under the name of each class."""
    fields: Any = {f"class_{number}": (list[str], Field(alias=name)) for number, name in enumerate(names)}
    return create_model("ClassSentences", __config__=ConfigDict(extra="forbid"), **fields)


def hear(raw: str, question: str, asked: Asked, there: Mapping[str, Sequence[str]]) -> Heard:
    """What of a reply can be used: by the names it says, never by the order in which it says them."""
    sentences, troubles = _by_class(json_value(raw, [question]), asked.numbers)
    prompts: dict[str, tuple[str, ...]] = {}
    for name, number in asked.numbers.items():
        taken = {phrase(sentence) for sentence in there[name]}
        for text in sentences.get(name, ()):
            sentence = composed(" ".join(text.split()))
            if trouble := _trouble(asked.classes, name, sentence, taken):
                troubles.append(f"{name}: {sentence[:LONGEST]!r}: {trouble}")
            elif len(prompts.get(name, ())) < number:
                prompts[name] = (*prompts.get(name, ()), sentence)
                taken.add(phrase(sentence))
        if len(prompts.get(name, ())) < number:
            troubles.append(f"{name}: {len(prompts.get(name, ()))} of {number} can be used")
    return Heard(prompts=prompts, troubles=tuple(troubles))


def _by_class(value: Any, names: Collection[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The sentences under each class's name; one class needs no name, and one frame around all is taken off."""
    if isinstance(value, list) and len(names) == 1:
        value = dict.fromkeys(names, value)
    if not isinstance(value, dict):
        raise Invalid("it is a list, expected an object with a list of sentences under the name of each class")
    inner = next(iter(value.values()), None)
    if len(value) == 1 and isinstance(inner, dict) and not matched(value, names):
        value = inner
    meant = matched(value, names)
    troubles = [f"{key!r} is no class of the list" for key in value if key not in meant]
    sentences: dict[str, list[str]] = {}
    for key, name in meant.items():
        told = [value[key]] if isinstance(value[key], str) else value[key]
        if isinstance(told, list) and all(isinstance(text, str) for text in told):
            sentences.setdefault(name, []).extend(told)
        else:
            troubles.append(f"{key}: there is no list of sentences")
    return sentences, troubles


def _trouble(classes: Classes, name: str, sentence: str, taken: Collection[tuple[str, ...]]) -> str | None:
    if len(sentence) > LONGEST:
        return f"it has more than {LONGEST} characters"
    return classes.complaint(name, sentence) or ("it is there already" if phrase(sentence) in taken else None)


def _alike(others: Sequence[str], asked: Collection[str]) -> list[str]:
    """The classes that might be named by mistake; of very many, those that share a word with one that is asked for."""
    if len(others) > SHOWN_OTHERS:
        told = {word for name in asked for said in called(name) for word in phrase(said)}
        others = [other for other in others if told.intersection(phrase(spoken(other)))]
    return [spoken(other) for other in others[:SHOWN_OTHERS]]
