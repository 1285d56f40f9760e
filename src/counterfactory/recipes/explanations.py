"""What the explanations of a run are worth: every published number that the models at hand allow, and what others need.

Each is taken of the flips, as published, and of all images: where only flips count, failing at the hard images helps.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from counterfactory.data.join import join
from counterfactory.data.read import read
from counterfactory.errors import BadData
from counterfactory.names import ModelName
from counterfactory.recipes import encoder_measures as eyes
from counterfactory.recipes import explanation_measures as measures
from counterfactory.recipes.diorama import is_diorama
from counterfactory.recipes.explained import Explained
from counterfactory.recipes.explained_data import CHANGED, read_back
from counterfactory.recipes.explanation_measures import Measure
from counterfactory.recipes.explanations_report import UNABLE, taken, worth_report
from counterfactory.recipes.oracle import by_attributes, by_judge
from counterfactory.recipes.oracle_measures import Look, by_oracle, differences_table
from counterfactory.recipes.tested import Labels
from counterfactory.run import Run
from counterfactory.types import Collection, Dataset, Report, Table

ZOO = "zoo:diorama"


class Explanations(BaseModel, frozen=True, extra="forbid"):
    """Measures the explanations that a run of `explain` published."""

    version: ClassVar[int] = 1
    presets: ClassVar[tuple[str, ...]] = ("default",)

    model: ModelName | None = Field(default=None, description="the classifier that was explained, for COUT")
    labels: Labels = Field(default={}, description="its class names to the data's, or a YAML of them")
    encoder: ModelName | None = Field(default=None, description="any vision model: FID, sFID, KID, distances, sigma_L")
    faces: ModelName | None = Field(default=None, description="a vision model of faces: FVA, face similarity")
    self_supervised: ModelName | None = Field(default=None, description="a vision model learnt without labels: S3")
    oracle: ModelName | None = Field(default=None, description="a classifier of several attributes: MNAC, CD")
    judge: ModelName | None = Field(default=None, description="Diorama's, which reads every factor: MNAC, CD")
    reference: tuple[str, ...] = Field(default=(), description="data with attributes as labels, for CD")
    runs: tuple[str, ...] = Field(default=(), description="further runs of the same images, by folder: sigma_L")
    repetitions: Annotated[int, Field(ge=1)] = Field(default=10, description="splits of sFID")
    seed: Annotated[int, Field(ge=0)] = Field(default=0, description="of splits and of parts that are left out")

    @classmethod
    def default(cls) -> "Explanations":
        """The zoo's encoder and judge, which are left aside where the data are not Diorama."""
        return cls(encoder=f"{ZOO}/clip", judge=f"{ZOO}/judge")

    def run(self, run: Run, data: Collection) -> Report:
        """Take every number that can be taken."""
        made = read_back(data)
        groups = {"flips": [one for one in made if one.facts["flipped"]], "all": made}
        method = self if any(map(is_diorama, data.splits.values())) else self._without_the_zoo()
        found = [taken(measure, groups) for measure in method._measures(run, data)]
        by_query = list(method._by_query(run, groups["flips"]))
        return worth_report(f"Explanations of {data.name}", groups, found, by_query, method._needs())

    def _measures(self, run: Run, data: Collection) -> Iterator[Measure]:
        yield from measures.plain()
        if self.model:
            yield measures.by_insertion(run, self.model, self.labels, data.splits[CHANGED])
        if self.encoder:
            yield from eyes.by_encoder(run, self.encoder, self.repetitions, self.seed)
            yield eyes.spread(run, self.encoder, self.runs)
        if self.faces:
            yield from eyes.by_faces(run, self.faces)
        if self.self_supervised:
            yield eyes.by_likeness(run, self.self_supervised)
        for name, look in self._oracles(run).items():
            yield from by_oracle(name, look, self._labels)

    def _oracles(self, run: Run) -> dict[str, Look]:
        found: dict[str, Look] = {}
        if oracle := self.oracle:
            found["the oracle"] = lambda images: by_attributes(run, oracle, images)
        if judge := self.judge:
            found["the judge"] = lambda images: by_judge(run, judge, images)
        return found

    def _labels(self) -> Dataset:
        if not self.reference:
            raise BadData("needs data with attributes as labels: --set reference=[DATA]")
        return _reference(self.reference)

    def _by_query(self, run: Run, flips: Sequence[Explained]) -> Iterator[Table]:
        for name, look in self._oracles(run).items():
            try:
                yield differences_table(name, look, self._labels, flips)
            except UNABLE:
                continue  # the row of CD says why

    def _needs(self) -> list[tuple[str, str]]:
        """What further models would tell."""
        wishes = {
            "COUT": (self.model, "needs the classifier: --set model=MODEL"),
            "FID, sFID, KID, perceptual distance, sigma_L": (
                self.encoder,
                "need a vision model of such images (the zoo's knows Diorama alone): --set encoder=MODEL",
            ),
            "FVA, face similarity": (self.faces, "need an encoder of faces: --set faces=MODEL"),
            "S3": (self.self_supervised, "needs an encoder learnt without labels: --set self_supervised=MODEL"),
            "MNAC, CD": (
                self.oracle or self.judge,
                "need a classifier of several attributes (the zoo's judge reads Diorama alone): --set oracle=MODEL",
            ),
        }
        return [(name, words) for name, (model, words) in wishes.items() if not model]

    def _without_the_zoo(self) -> "Explanations":
        ours = {"encoder": self.encoder, "judge": self.judge}
        return self.model_copy(update={name: None for name, model in ours.items() if model and model.startswith(ZOO)})


@lru_cache(maxsize=1)
def _reference(sources: tuple[str, ...]) -> Dataset:
    """The images that nobody asked about and whose labels say what usually goes together."""
    splits = join([read(source) for source in sources]).splits
    return splits.get("train") or next(iter(splits.values()))
