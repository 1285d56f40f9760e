"""Augmentation recipes from a few images to the table, drawn by the zoo."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from counterfactory.data.read import read
from counterfactory.errors import BadConfig, BadData, UnknownName
from counterfactory.metrics.guidance_scale import adaptive
from counterfactory.recipes.augmentation import ALONE, Candidate, class_of, enlarged
from counterfactory.recipes.job import build
from counterfactory.recipes.trials import few_shot
from counterfactory.run import Run
from counterfactory.types import Address, Origin, Report, Request, Sample
from counterfactory.worker import Worker

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

DATA = read("diorama:train=18,validation=12,test=9,classes=car+dog+house")
QUICK = ("shots=2", "seeds=[0]", "per_image=2", "engine.steps=3", "classifier.steps=4", "classifier.size=32")
QUICK_FILTER = ("sieve.weigh_by.steps=4", "sieve.weigh_by.size=32")
LEARNT = ("inversion.schedule.images=16", "inversion.schedule.batch_size=2")


def recipe(name: str, *sets: str) -> Any:
    return build({"job": "augment", "recipe": name, "data": "x"}, None, sets, None)[1]


def report(folder: Path, one: Any, name: str = "run") -> Report:
    with Run(folder / name, Worker(workspace=folder)) as held:
        return one.run(held, DATA)


def table(found: Report, title: str) -> Any:
    (one,) = (each for each in found.tables if each.title == title)
    return one


@pytest.mark.parametrize(
    ("name", "sets"),
    [
        ("text-only", ()),
        ("real-guidance", ("sieve.clip=zoo:diorama/clip", "sieve.least_likelihood=0.01")),
        ("da-fusion", LEARNT),
        ("dalda", ()),
        ("diagen", (*LEARNT, *QUICK_FILTER)),
    ],
)
def test_a_recipe_draws_trains_with_and_without_and_tells(tmp_path: Path, name: str, sets: tuple[str, ...]):
    found = report(tmp_path, recipe(name, *QUICK, *sets))
    assert [row[0] for row in table(found, "Accuracy").rows] == [ALONE, name]
    assert found.numbers["drawn"] == 3 * 2 * 2
    shown = next(gallery for gallery in found.galleries if gallery.title.startswith("Drawn"))
    assert {picture.label for picture in shown.pictures} == {"car", "dog", "house"}
    rows = [json.loads(line) for line in (tmp_path / "run/data/synthetic/metadata.jsonl").read_text().splitlines()]
    assert len(rows) == found.numbers["trained on"]
    assert table(found, "Fidelity and diversity of what was drawn").columns[:4] == (
        "precision", "recall", "density", "coverage",
    )  # fmt: skip


def test_the_same_command_draws_and_trains_nothing_twice(tmp_path: Path):
    one = recipe("real-guidance", *QUICK)
    first = report(tmp_path, one)
    with Run(tmp_path / "again", Worker(workspace=tmp_path)) as held:
        again = one.run(held, DATA)
        assert held.made == 0
    assert again.numbers == first.numbers


def test_a_comparison_puts_recipes_and_shots_into_one_table(tmp_path: Path):
    sets = (
        "recipes=[baseline, real-guidance]", "shots=[1, 2]", "seeds=[0, 1]", "classifier.steps=4",
        "classifier.size=32", "methods.baseline.augmentations=[none, standard]",
        "methods.real-guidance.per_image=1", "methods.real-guidance.engine.steps=3",
    )  # fmt: skip
    one: Any = build({"job": "compare", "data": "x"}, None, sets, None)[1]
    found = report(tmp_path, one)
    rows = [row[:2] for row in table(found, "Accuracy").rows]
    methods = ["none", "standard", "real-guidance"]  # what `standard` learnt from is the real images alone
    assert rows == [(shots, method) for shots in ("1 shot", "2 shots") for method in methods]
    assert len(table(found, "What drawing cost").rows) == 2
    assert any("real-guidance reaches" in sentence for sentence in found.summary)
    assert {plot.kind for plot in found.plots} == {"lines"}


def test_a_comparison_says_what_it_cannot_do(tmp_path: Path):
    for sets, wrong in (
        (("recipes=[baseline, nothing]",), UnknownName),
        (("recipes=[baseline]", "methods.dalda.per_image=3"), UnknownName),
        (("recipes=[baseline]", "each=paper-code"), BadConfig),
        (("recipes=[baseline, dalda]", "methods.dalda.seeds=[0]"), BadConfig),
        (("recipes=[baseline]", "shots=[1, 50]"), BadData),
    ):
        one: Any = build({"job": "compare", "data": "x"}, None, sets, None)[1]
        with pytest.raises(wrong):
            report(tmp_path, one)


def test_a_sieve_that_rejects_everything_leaves_the_real_images_and_says_so(tmp_path: Path):
    bound = ("sieve.clip=zoo:diorama/clip", "sieve.most_likeness=0")
    found = report(tmp_path, recipe("real-guidance", *QUICK, *bound))
    assert found.numbers["trained on"] == 0
    assert any("no drawing counts" in sentence for sentence in found.summary)
    assert table(found, "Left out").rows[0][:2] == ("it is a training image again", 12)


def test_a_comparison_keeps_a_method_none_of_whose_drawings_count(tmp_path: Path):
    sets = (
        "recipes=[baseline, real-guidance]", "shots=[1]", "seeds=[0, 1]", "classifier.steps=4", "classifier.size=32",
        "methods.baseline.augmentations=[standard]", "methods.real-guidance.per_image=1",
        "methods.real-guidance.engine.steps=3", "methods.real-guidance.sieve.clip=zoo:diorama/clip",
        "methods.real-guidance.sieve.most_likeness=0",
    )  # fmt: skip
    one: Any = build({"job": "compare", "data": "x"}, None, sets, None)[1]
    found = report(tmp_path, one)
    assert [row[1] for row in table(found, "Accuracy").rows] == ["standard", "real-guidance"]
    assert any("real-guidance: Of seed 0, 1 no drawing counts" in sentence for sentence in found.summary)
    assert any("the same at each seed, so that nothing can be said of chance" in one for one in found.summary)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (replace(DATA, splits={name: DATA.splits[name] for name in ("train",)}), "no test split"),
        (read("diorama:train=6,validation=3,test=3,classes=car"), "show one class"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_drawn(tmp_path: Path, data: Any, complaint: str):
    with Run(tmp_path / "run", Worker(workspace=tmp_path)) as held:
        with pytest.raises(BadData, match=complaint):
            recipe("real-guidance", *QUICK).run(held, data)
        assert held.made == 0


def test_what_counts_is_trained_on_with_its_weight():
    choice = few_shot(DATA, 1, 0)
    images = choice["train"].samples

    def candidate(n: int, **fields: Any) -> Candidate:
        drawn = Sample(image=Address(str(n)), target=class_of(images[0]), origin=Origin(parent=images[0].image.digest))
        return Candidate(request=Request(prompt="", seed=n), sample=drawn, source=images[0], **fields)

    more = enlarged(choice, [candidate(0, weight=0.4), candidate(1, reasons=("blank",)), candidate(2, weight=0.0)])
    assert more["train"].weights == (1.0, 1.0, 1.0, 0.4)
    assert len(more["train"]) == 4
    assert enlarged(choice, [candidate(1, reasons=("blank",))]) is choice


def test_images_that_clip_is_sure_of_may_be_varied_freely():
    assert adaptive(0.95, 4).high < adaptive(0.1, 4).mean


def test_several_labels_cannot_be_drawn_after():
    with pytest.raises(BadData, match="one label each"):
        class_of(Sample(image=Address("0"), target=(1, 0, None)))
