"""What language models are told: templates that a person may replace, filled in a sandbox."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel

from counterfactory.language.kinds import KINDS

EXAMPLE: Mapping[str, Any] = {  # all that a template may use
    "caption": "a red car on wet grass",
    "label": "car",
    "synonyms": ["automobile"],
    "task": "finding cars in photographs",
    "kinds": list(KINDS),
    "counterfactuals": 2,
    "edits_per_image": 1,
    "keywords": ["red", "wet"],
    "edits": [{"kind": "colour", "old": "red", "new": "blue"}],
}

PICTURE = """\
A photograph is described so: {{ caption }}

{% if task %}
It is used for this task: {{ task }}.
{% endif %}
{% if label %}
In that task its label is: {{ label }}{% if synonyms %} (also called {{ synonyms | join(", ") }}){% endif %}.
{% endif %}
The label must stay true, whatever else is changed.
"""

KEYWORDS = (
    PICTURE
    + """
Find the words of the description that may be replaced by others while the label stays the same. Only these kinds of
words count: {{ kinds | join(", ") }}. Leave out the label itself, every word that says the same, and every word
without which the label could become wrong. Copy each find exactly as it stands in the description, at most eight of
them, and say of which kind it is.

Answer with nothing but JSON of this form:
{"keywords": [{"words": "...", "kind": "..."}]}
"""
)

ALTERNATIVES = (
    PICTURE
    + """
Some of its words are to be replaced: {{ keywords | join("; ") }}.
Give for each of them three to six words or short phrases that could stand in its place. Each must fit into the
sentence, show a clearly different picture, be believable together with the rest of the description, and name neither
the label nor anything that could be taken for it.

Answer with nothing but JSON of this form:
{"alternatives": [{"words": "...", "instead": ["...", "..."]}]}
"""
)

REWRITING = (
    PICTURE
    + """
Write the description again with exactly these changes:
{% for edit in edits %}
- in place of "{{ edit.old }}" it says "{{ edit.new }}"
{% endfor %}
Everything else stays word for word as it is. Only an article may follow the word behind it. Add nothing, explain
nothing.

Answer with nothing but JSON of this form:
{"caption": "..."}
"""
)

TOGETHER = (
    PICTURE
    + """
Make {{ counterfactuals }} new {{ "description" if counterfactuals == 1 else "descriptions" }} of it, each another one.
In each, replace {{ "one word or short phrase" if edits_per_image == 1 else "one to %d words or short phrases" %
edits_per_image }} of the description by others that show a clearly different but believable picture of the same label.
Only these kinds of words may be replaced: {{ kinds | join(", ") }}. The label stays, and every word that says the same.
Everything else stays word for word as it is; only an article may follow the word behind it. Say of each change which
words it takes away, exactly as they stand in the description, which it puts in their place, and of which kind they are.

Answer with nothing but JSON of this form:
{"counterfactuals": [{"edits": [{"kind": "...", "old": "...", "new": "..."}], "caption": "..."}]}
"""
)


def fill(template: str, given: Mapping[str, Any]) -> str:
    """A template with its words in their places; a name that is not given is an error."""
    text: str = _compiled(template).render(given)
    return text.strip()


@cache
def _compiled(template: str) -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template)


def _fillable(template: str) -> str:
    """A template is tried before anything is asked with it."""
    from jinja2 import TemplateError

    try:
        text = fill(template, EXAMPLE)
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise ValueError(f"the template cannot be filled ({error}); it may use {', '.join(sorted(EXAMPLE))}") from None
    if EXAMPLE["caption"] not in text:
        raise ValueError("the template does not show {{ caption }}")
    return template


Template = Annotated[str, AfterValidator(_fillable)]


class Prompts(BaseModel, frozen=True, extra="forbid"):
    """A template for each question; the form of the reply is asked for in it, for servers that know no schema."""

    keywords: Template = KEYWORDS
    alternatives: Template = ALTERNATIVES
    rewriting: Template = REWRITING
    together: Template = TOGETHER
