"""A job: which recipe, on what data, on what machine. Its fields and its recipe's stand in one flat file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from counterfactory import plugins
from counterfactory.config import parse_sets, read_file, resolve
from counterfactory.errors import BadConfig
from counterfactory.keys import ASIDE, without_asides
from counterfactory.worker import DEVICES, DType, Memory


class Job(BaseModel, frozen=True, extra="forbid"):
    """What every job has beside its recipe's own settings."""

    job: Literal["augment", "compare", "stress", "synthesize", "explain", "train", "evaluate"] = Field(
        description="what is to be done"
    )
    recipe: str = Field(description="by which method")
    preset: str = Field(default="default", description="the settings that the others are laid over")
    data: tuple[str, ...] = Field(default=(), description="where the images are; several are joined")
    limit: int | None = Field(default=None, ge=1, description="at most so many images of each split")
    device: Annotated[str, ASIDE] = Field(default="auto", description=DEVICES)
    dtype: DType = Field(default="float32", description="the number format that models compute in")
    deterministic: bool = Field(default=False, description="equal bytes for equal settings, at some cost in speed")
    batch_size: Annotated[int, ASIDE] = Field(default=16, ge=1, description="items that a step is given at once")
    memory: Memory = Field(default=Memory(), description="how large networks spare the device's memory")
    max_failures: Annotated[int, ASIDE] = Field(
        default=1000, ge=0, description="failed items of one step after which the run stops"
    )


def build(given: Mapping[str, Any], file: Path | None, sets: Sequence[str], seed: int | None) -> tuple[Job, BaseModel]:
    """A job and its recipe from the command line, over a file, over what holds `unless_said`, over a preset."""
    in_file = _settings(read_file(file)) if file else {}
    if in_file.get("job", given["job"]) != given["job"]:
        raise BadConfig(f"{file} is for the job {in_file['job']!r}; the command is {given['job']!r}.")
    words = {name: value for name, value in given.items() if value is not None}
    layers = [words.pop("unless_said", {}), in_file, parse_sets(sets), words]
    ours = {name: value for layer in layers for name, value in layer.items() if name in Job.model_fields}
    ours["data"] = [ours["data"]] if isinstance(ours.get("data"), str) else ours.get("data", [])
    ours.setdefault("recipe", plugins.default_recipe(given["job"]))
    job = resolve(Job(job=given["job"], recipe=""), ours)
    if not all(job.data) or not job.data:
        raise BadConfig("No data given; expected a folder, a file or `diorama:`.")
    its = [{name: value for name, value in layer.items() if name not in Job.model_fields} for layer in layers]
    recipe = resolve(plugins.preset(plugins.load_recipe(job.job, job.recipe), job.preset), *its)
    return job, recipe if seed is None else seeded(recipe, seed)


def _settings(said: dict[str, Any]) -> dict[str, Any]:
    """The settings of a file: its own, or those that a run's record keeps."""
    kept = said.get("config")
    return kept if isinstance(kept, dict) and "format" in said else said


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """A repetition that is no repetition would narrow the intervals for nothing."""
    if len(set(values)) < len(values):
        raise ValueError(f"each value may stand only once in {', '.join(map(str, values))}")
    return values


def seeded(recipe: BaseModel, seed: int) -> BaseModel:
    """A recipe with one seed: it alone, where the recipe repeats itself over several."""
    several = "seeds" in type(recipe).model_fields
    return resolve(recipe, {"seeds": [seed]} if several else {"seed": seed})


def resolved(job: Job, recipe: BaseModel) -> dict[str, Any]:
    """All settings in one flat mapping, as `--config` takes them."""
    return {**job.model_dump(mode="json"), **recipe.model_dump(mode="json")}


def identifying(job: Job, recipe: BaseModel) -> dict[str, Any]:
    """The settings that change a result, and so a run's name."""
    return {**without_asides(job), **without_asides(recipe)}


def rebuilt(config: Mapping[str, Any]) -> tuple[Job, BaseModel]:
    """The job and the recipe that a run's record keeps."""
    job = Job.model_validate({name: config[name] for name in Job.model_fields if name in config})
    kind = plugins.load_recipe(job.job, job.recipe)
    return job, kind.model_validate({name: config[name] for name in kind.model_fields if name in config})


def schemas(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The JSON Schema of configuration files for some recipes."""
    found = [schema(job, recipe) for job, recipe in pairs]
    if len(found) == 1:
        return found[0]
    definitions = {name: said for one in found for name, said in one.pop("$defs").items()}
    return {"$schema": found[0]["$schema"], "oneOf": found, "$defs": definitions}


def schema(job: str, recipe: str) -> dict[str, Any]:
    """The JSON Schema of a configuration file for one recipe."""
    ours, its = Job.model_json_schema(), plugins.load_recipe(job, recipe).model_json_schema()
    ours["properties"]["job"] = {"const": job}
    ours["properties"]["recipe"] = {"const": recipe}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"counterfactory {job} --recipe {recipe}",
        "description": its.get("description", ""),
        "type": "object",
        "properties": {**ours["properties"], **its["properties"]},
        "additionalProperties": False,
        "$defs": {**ours.get("$defs", {}), **its.get("$defs", {})},
    }
