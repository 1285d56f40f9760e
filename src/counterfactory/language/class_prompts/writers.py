"""Who writes prompts for classes: all the ways there are, told apart by their `kind`."""

from typing import Annotated

from pydantic import Field

from counterfactory.language.class_prompts.asked import AskPrompts
from counterfactory.language.class_prompts.given import GivenPrompts
from counterfactory.language.class_prompts.lexicon import LexiconPrompts

PromptWriter = Annotated[LexiconPrompts | AskPrompts | GivenPrompts, Field(discriminator="kind")]
