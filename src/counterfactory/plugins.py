"""What is installed, by entry point: built-ins come through the same door as plug-ins. Loads only what is asked for."""

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from counterfactory.errors import BadConfig, Unavailable, unknown

JOBS = ("augment", "compare", "stress", "synthesize", "explain", "train", "evaluate")

USUAL = {"augment": "baseline"}  # of several recipes, the one that asks least of a machine


def recipe_names(job: str) -> list[str]:
    """The names of the recipes that do a job."""
    return sorted(entry_points(group=f"counterfactory.recipes.{job}").names)


def default_recipe(job: str) -> str:
    """The recipe that a job takes when none is named: the only one there is, or the built-in of the job's own name."""
    names = recipe_names(job)
    if not names:
        raise Unavailable(
            f"No recipe for the job {job!r} is installed; install Counterfactory again, so that its recipes are known."
        )
    if USUAL.get(job) in names:
        return USUAL[job]
    if len(names) > 1 and job not in names:
        raise BadConfig(f"The job {job!r} has several recipes; choose one with --recipe: {', '.join(names)}.")
    return job if job in names else names[0]


@cache
def load_recipe(job: str, name: str) -> Any:
    """The recipe class of that name."""
    found = entry_points(group=f"counterfactory.recipes.{job}", name=name)
    if not found:
        raise unknown(f"{job} recipe", name, recipe_names(job))
    return next(iter(found)).load()


def presets(recipe: Any) -> list[str]:
    """The presets that a recipe offers: its class methods that build one, `paper_code` spelled `paper-code`."""
    return [name.replace("_", "-") for name in recipe.presets]


def preset(recipe: Any, name: str) -> Any:
    """A recipe as one of its presets sets it."""
    if name not in presets(recipe):
        raise unknown("preset", name, presets(recipe))
    return getattr(recipe, name.replace("-", "_"))()
