"""DiME from a folder and a classifier to explanations, with models that have learnt little."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from counterfactory.classify.labels import match
from counterfactory.classify.models import SmallResNet
from counterfactory.classify.networks import build, said, seeded
from counterfactory.classify.saved import save
from counterfactory.data.read import read
from counterfactory.diffusion.pixel import build as build_denoiser
from counterfactory.diffusion.pixel import save as save_denoiser
from counterfactory.diffusion.pixel import scheduler
from counterfactory.diffusion.trainers import PixelNetwork, PixelTrainer
from counterfactory.errors import BadConfig, BadData, UnknownName
from counterfactory.recipes.dime import Dime
from counterfactory.recipes.explained import Answers
from counterfactory.recipes.job import build as build_job
from counterfactory.recipes.questions import answers_of, opinion_of, questions, wishes
from counterfactory.run import Run
from counterfactory.types import Collection, Report, Task
from counterfactory.worker import Worker

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

DATA = read("diorama:train=10,validation=10,test=20")
SHAPE = PixelNetwork(channels=(8, 16), attends=(False, True), head_width=8, groups=4)
ANSWERS = Answers(names=("car", "bus", "tree"))
ATTRIBUTES = Answers(names=("smile", "hat"), several=True)


@pytest.fixture(scope="module")
def denoiser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that has learnt nothing: what flips, flips by the classifier's pull alone."""
    folder = tmp_path_factory.mktemp("denoiser")
    trainer = PixelTrainer(network=SHAPE, size=16, times=100)
    save_denoiser(build_denoiser(trainer), scheduler(trainer), folder)
    return folder


def recipe(denoiser: Path, *sets: str, **given: Any) -> Dime:
    quick = [f"denoiser={denoiser}", "search.steps=10", "search.start=3", "quota.total=4", *sets]
    found: Any = build_job({"job": "explain", "preset": "default", "data": "x", **given}, None, quick, None)[1]
    return found


def untrained(folder: Path, names: tuple[str, ...], task: Task) -> str:
    """A classifier that has learnt nothing."""
    with seeded("cpu", 0):
        network = build(SmallResNet(width=8, blocks=1), names, task, (16, 16))
    save(network, said(names, task), 1.0, folder)
    return str(folder)


def report(folder: Path, one: Dime, data: Collection = DATA) -> Report:
    with Run(folder / "run", Worker(workspace=folder)) as run:
        return one.run(run, data)


def test_a_classifier_is_explained_from_images_to_a_page(tmp_path: Path, denoiser: Path):
    found = report(tmp_path, recipe(denoiser, "search.scales=[5]", "opinion=zoo:diorama/classifier-usual"))
    assert found.numbers["explanations"] == 4
    assert "4 of the 20 images of the split 'test' were taken." in found.summary
    assert any(words.startswith("Fast: clean estimates of one step") for words in found.summary)
    pictures = [picture for gallery in found.galleries for picture in gallery.pictures if picture.source]
    assert len(pictures) == 4
    for picture in pictures:
        assert picture.difference is not None
        assert set(picture.scores) >= {"before", "after", "change"}
    splits = {
        path.parent.name: path.read_text().splitlines() for path in (tmp_path / "run/data").glob("*/metadata.jsonl")
    }
    assert {name: len(rows) for name, rows in splits.items()} == dict.fromkeys(
        ("original", "counterfactual", "start", "difference"), 4
    )
    facts = json.loads(json.loads(splits["counterfactual"][0])["attributes"])
    assert facts["predicted"] != facts["wanted"]


def test_the_same_command_searches_nothing_twice(tmp_path: Path, denoiser: Path):
    first = report(tmp_path, recipe(denoiser, "traced=true"))
    with Run(tmp_path / "run", Worker(workspace=tmp_path)) as run:
        again = recipe(denoiser, "traced=true", "at_once=1").run(run, DATA)  # how many share batches changes no key
        assert run.made == 0
    assert again.numbers == first.numbers
    assert all(len(picture.steps) == 3 for picture in again.galleries[0].pictures)


def test_an_answer_by_name_leaves_out_who_has_it(tmp_path: Path, denoiser: Path):
    found = report(tmp_path, recipe(denoiser, "target=car", "quota.total=20", "quota.classes=[car, bus, cup]"))
    assert found.numbers["explanations"] == 4  # two of each class, and cars are cars already
    assert {row[0].partition(" → ")[2] for row in found.tables[0].rows} == {"car"}
    with pytest.raises(BadData, match="says 'car' of every image already"):
        report(tmp_path / "cars", recipe(denoiser, "target=car", "quota.classes=[car]"))
    with pytest.raises(UnknownName, match=r"Unknown target 'caar'\. Did you mean 'car'"):
        report(tmp_path / "typo", recipe(denoiser, "target=caar"))


def test_an_image_that_is_there_twice_is_explained_once(tmp_path: Path, denoiser: Path):
    """Else its numbers would count twice, and its two results would pass for two runs of it."""
    test = DATA.splits["test"]
    twice = replace(DATA, splits={"test": replace(test, samples=test.samples[:2] * 2)})
    assert report(tmp_path, recipe(denoiser, "search.scales=[1]"), twice).numbers["explanations"] == 2


def test_another_opinion_is_heard_in_the_words_of_the_data(tmp_path: Path, denoiser: Path):
    known = ("pkw", "tree")
    untrained(tmp_path / "opinion", known, "single-label")
    test = DATA.splits["test"]
    data = replace(DATA, splits={"test": replace(test, classes=("car", "tree"))})
    with Run(tmp_path / "run", Worker(workspace=tmp_path)) as run:
        answers = opinion_of(run, str(tmp_path / "opinion"), {"pkw": "car", "baum": "tree"}, data.splits["test"])
    assert answers.names == ("car", "tree")
    with pytest.raises(BadData, match=r"The model does not know car, bus"):
        report(tmp_path, recipe(denoiser, f"opinion={tmp_path / 'opinion'}"))


def test_which_answers_are_wanted():
    said_of = np.array([0.2, 0.7, 0.1])
    assert list(wishes(said_of, ANSWERS, "second-best")) == [(0, True)]
    assert list(wishes(said_of, ANSWERS, "all")) == [(0, True), (2, True)]
    assert list(wishes(said_of, ANSWERS, "tree")) == [(2, True)]
    assert list(wishes(said_of, ANSWERS, "bus")) == []


def test_two_outputs_of_one_name_are_one_answer():
    places = match(("tabby", "siamese", "dog"), 3, ("cat", "dog"), {"tabby": "cat", "siamese": "cat"}).places
    answers = Answers(names=tuple(("cat", "dog")[place] for place in places))
    assert list(wishes(np.array([0.6, 0.3, 0.1]), answers, "second-best")) == [(2, True)]


def test_a_classifier_whose_own_names_hold_one_twice_is_asked_as_it_is(tmp_path: Path):
    """As that of ImageNet, in which two outputs are called crane."""
    names = (*DATA.classes, DATA.classes[0])
    model = untrained(tmp_path / "twice", names, "single-label")
    images = DATA.splits["test"]
    with Run(tmp_path / "run", Worker(workspace=tmp_path)) as run:
        answers = answers_of(run, model, {}, images)
        found = questions(run, model, answers, images, DATA.classes[0], 0)
    assert answers.names == names
    assert {(question.wanted, *question.also) for _, question in found} <= {(0, len(names) - 1), (len(names) - 1, 0)}


def test_attributes_come_and_go():
    said_of = np.array([0.9, 0.4])
    assert list(wishes(said_of, ATTRIBUTES, "second-best")) == [(1, True)]
    assert list(wishes(said_of, ATTRIBUTES, "all")) == [(0, False), (1, True)]
    assert list(wishes(said_of, ATTRIBUTES, "smile")) == [(0, False)]
    assert list(wishes(said_of, ATTRIBUTES, "not smile")) == [(0, False)]
    assert list(wishes(said_of, ATTRIBUTES, "not hat")) == []


def test_a_classifier_of_attributes_is_refused_images_of_classes(tmp_path: Path, denoiser: Path):
    several = untrained(tmp_path / "several", DATA.classes, "multi-label")
    with pytest.raises(BadData, match="gives several labels an image, and these data are single-label"):
        report(tmp_path, recipe(denoiser, model=several))
    test = DATA.splits["test"]
    bare = replace(test, samples=tuple(replace(sample, target=None) for sample in test.samples), classes=())
    with Run(tmp_path / "bare", Worker(workspace=tmp_path)) as run:  # without labels there is nothing to disagree with
        assert answers_of(run, several, {}, bare).names == DATA.classes
    with pytest.raises(BadConfig, match="No classifier given"):
        report(tmp_path, recipe(denoiser, preset="paper"))


def test_presets_say_what_the_paper_and_its_code_do():
    paper, code = Dime.paper(), Dime.paper_code()
    assert (paper.mode, paper.search.steps, paper.search.start, paper.search.tried("exact")) == (
        "exact",
        200,
        60,
        (8, 10, 15),
    )
    assert code.search == paper.search.model_copy(update={"noised_further": True})
    assert (paper.search.losses.l1, paper.search.losses.perceptual) == (0.05, 30)


def test_a_search_that_is_not_as_published_says_what_is_other():
    paper, own = Dime.paper(), Dime.exact()
    assert paper._method().endswith("as in the paper.")
    assert own._method().endswith(
        "Unlike there, the pull is the mean over views of the estimate; the pull comes through the denoiser; "
        "a mask holds what need not change."
    )
    assert Dime.default()._method().startswith("Fast")
