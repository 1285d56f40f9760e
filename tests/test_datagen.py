"""Synthetic data sets from a few images to the page, by networks that have learnt nothing."""

import errno
import itertools
import json
import os
import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from companions import save_base
from counterfactory import plugins
from counterfactory.classify.models import CifarResNet
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.data.read import read
from counterfactory.diffusion.adapted import Adapted
from counterfactory.errors import BadConfig, BadData, CounterfactoryError, DiskTrouble, TooManyFailures, UnknownName
from counterfactory.keys import canonical
from counterfactory.recipes import searching, tuning_report
from counterfactory.recipes.cas import REAL, arms
from counterfactory.recipes.datagen import Datagen
from counterfactory.recipes.foresight import foresee
from counterfactory.recipes.generation import MADE, Amount, accepted, asked, made_elsewhere, native_size, to_publish
from counterfactory.recipes.generators import Pipeline, Way
from counterfactory.recipes.job import build
from counterfactory.recipes.leakage import Quality, quality
from counterfactory.recipes.searching import Round
from counterfactory.recipes.synthesis_report import Synthesis, glance, told
from counterfactory.recipes.tuning import Tuning
from counterfactory.run import Run
from counterfactory.score.clip import ClipEmbed
from counterfactory.types import Address, Collection, Dataset, Origin, Report, Sample
from counterfactory.worker import Worker
from squares import squares

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

DATA = read("diorama:train=12,validation=21,test=9,size=32,classes=car+dog+house")
QUICK = (
    "seeds=[0]", "generator.encoder.schedule.epochs=2", "generator.encoder.schedule.batch_size=4",
    "generator.denoiser.epochs=1", "generator.denoiser.batch_size=4", "drawing.steps=2", "tuning.trials=[2,2]",
    "tuning.images=6", "tuning.steps=[2,3]", "tuning.finalists=1", "tuning.repeats=1", "tuning.rung=null",
    "tuning.classifier.steps=2", "tuning.classifier.size=32", "amount.times=[1,2]", "classifier.steps=2",
    "classifier.size=32", "eyes=null",
)  # fmt: skip

QUICK_ONE = ClassifierTrainer(steps=2, size=32)
EYES = "eyes=zoo:diorama/clip"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("base") / "model")


def recipe(base: Path | None, *sets: str) -> Any:
    at = [f"generator.encoder.base={base}"] if base else []
    return build({"job": "synthesize", "recipe": "datagen", "data": "x"}, None, [*QUICK, *at, *sets], None)[1]


def report(folder: Path, one: Any, data: Collection = DATA, name: str = "run") -> Report:
    with Run(folder / name, Worker(workspace=folder, processes=1)) as held:
        return one.run(held, data)


def table(found: Report, title: str) -> Any:
    (one,) = (each for each in found.tables if each.title == title)
    return one


def test_all_stages_end_in_a_page_and_a_folder_that_trains(tmp_path: Path, base: Path):
    found = report(tmp_path, recipe(base, EYES, "features=zoo:diorama/classifier"))
    assert [row[0] for row in table(found, "Accuracy").rows] == [REAL, "x1", "x2", f"{REAL} + x2"]
    assert [row[:2] for row in table(found, "What the searches found").rows] == [
        ("the class encoder", 2),
        ("the denoiser", 2),
    ]
    assert [plot.title for plot in found.plots][:2] == [
        "Accuracy on test against size",
        "Accuracy on test-unusual against size",
    ]
    assert "Search 1" in {plot.title for plot in found.plots}
    assert table(found, "Likeness to real images").columns[:3] == ("set", "images", "Fréchet distance (FID)")
    assert table(found, "Likeness in other features").rows[0][:2] == ("training images", 12)
    assert {gallery.title for gallery in found.galleries} >= {"Drawn, class by class", "Nearest to training images"}
    exported = read(str(tmp_path / "run/data"))
    assert Counter(sample.target for sample in exported.splits["train"].samples) == {0: 8, 1: 8, 2: 8}
    lines = [json.loads(line) for line in (tmp_path / "run/data/train/metadata.jsonl").read_text().splitlines()]
    assert Counter(json.loads(line["attributes"])["set"] for line in lines) == {"x1": 12, "x2": 12}
    assert Worker(workspace=tmp_path).pixels.image(exported.splits["train"].samples[0].image).size == (32, 32)


def test_the_same_settings_make_nothing_twice_and_a_stage_goes_on_from_what_is_there(tmp_path: Path, base: Path):
    adapted = report(tmp_path, recipe(base, "stage=adapt"))
    assert not adapted.tables or "Accuracy" not in {one.title for one in adapted.tables}
    report(tmp_path, recipe(base, "stage=search"), name="search")
    with Run(tmp_path / "again", Worker(workspace=tmp_path, processes=1)) as held:
        recipe(base, "stage=search").run(held, DATA)
        assert held.made == 0


def test_a_run_that_is_killed_before_each_of_its_parts_comes_to_the_same(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
):
    one = recipe(base, "tuning.trials=[1,1]", "tuning.repeats=0", "amount.times=[1]")
    whole = report(tmp_path / "whole", one)
    met: set[str] = set()

    def killing(verb: Any) -> Any:
        def once(self: Run, step: Any, *said: Any, **datasets: Dataset) -> Any:
            if (name := canonical(step)) not in met:
                met.add(name)
                raise KeyboardInterrupt
            return verb(self, step, *said, **datasets)

        return once

    for verb in ("fit", "map", "search"):
        monkeypatch.setattr(Run, verb, killing(getattr(Run, verb)))
    found = None
    while found is None:
        with suppress(KeyboardInterrupt):
            found = report(tmp_path / "killed", one)
    assert len(met) > 10
    assert found.numbers == whole.numbers


@pytest.mark.parametrize("full", ["pictures", "results"])
def test_a_disk_that_fills_at_x10_loses_nothing_and_the_same_settings_go_on(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch, full: str
):
    one = recipe(base, "stage=generate", "generator.learn=[encoder]", "tuning.trials=[]", "training.per_class=2",
                 "generator.encoder.schedule.epochs=1", "amount.times=[1,10]", "drawing.steps=1")  # fmt: skip
    replace, pictures = os.replace, itertools.count(1)

    def scarce(source: Path, goal: Path) -> None:
        if Path(goal).is_relative_to(tmp_path / "blobs") and next(pictures) > 30:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, goal)

    with Run(tmp_path / "run", Worker(workspace=tmp_path, processes=1)) as held, monkeypatch.context() as patch:
        if full == "pictures":
            patch.setattr(os, "replace", scarce)
        else:
            (pages,) = held.store.db.execute("pragma page_count").fetchone()
            held.store.db.execute(f"pragma max_page_count = {pages + 4}")
        with pytest.raises(DiskTrouble, match=r"Nothing that was finished is lost.*give the same command again"):
            one.run(held, DATA)
        kept = held.made
    assert 1 + 16 <= kept < 1 + 60  # a model, and a batch of drawings at least
    with Run(tmp_path / "run", Worker(workspace=tmp_path, processes=1)) as held:
        assert one.run(held, DATA).numbers["drawn"] == 60
        assert kept + held.made == 1 + 60


def test_an_adaptation_that_was_made_before_draws_without_learning(tmp_path: Path, base: Path):
    report(tmp_path, recipe(base, "stage=adapt"))
    (model,) = {path.parents[2] for path in tmp_path.glob("artifacts/*/epochs/001/unet")}
    sets = (f"generator.start.model={model}", "generator.learn=[]", "drawing.epoch=1", "stage=generate")
    found = report(tmp_path, recipe(base, *sets), name="drawn")
    assert any("the given model or set was made is not known here" in sentence for sentence in found.summary)
    assert found.numbers["drawn"] == 24
    assert (
        not list((tmp_path / "drawn").glob("spent.json"))
        or "learning" not in (tmp_path / "drawn/spent.json").read_text()
    )


def test_a_set_made_elsewhere_is_scored_without_a_generator(tmp_path: Path, base: Path):
    report(tmp_path, recipe(base, "stage=generate", "amount.times=[1]", "tuning.trials=[]"))
    found = report(tmp_path, recipe(None, "stage=cas", f"made={tmp_path / 'run/data'}"), name="cas")
    assert [row[0] for row in table(found, "Accuracy").rows] == [REAL, MADE, f"{REAL} + {MADE}"]
    other = read("diorama:train=4,classes=cup+dog").splits["train"]
    with Run(tmp_path / "o", Worker(workspace=tmp_path, processes=1)) as held, pytest.raises(BadData, match="car"):
        made_elsewhere(held, "diorama:train=6,classes=car+dog", other)
    with pytest.raises(BadConfig, match="say stage: cas"):
        recipe(None, "stage=adapt", "made=anywhere")


def test_a_set_made_elsewhere_loses_its_broken_images_and_says_which_real_ones_are_in_it(tmp_path: Path):
    data = _grey(tmp_path / "grey", counts=(4, 4))
    shutil.copytree(tmp_path / "grey", tmp_path / "made")
    broken = tmp_path / "made/train/a/0.png"
    broken.write_bytes(broken.read_bytes()[:80])
    found = report(tmp_path, recipe(None, "stage=cas", f"made={tmp_path / 'made'}"), data)
    assert found.numbers["drawn"] == 7
    assert f"Mind: 7 images of train are in the set {MADE!r}." in found.summary


def test_pixels_learn_from_nothing_in_one_part(tmp_path: Path):
    network = "{channels: [8, 8], attends: [false, true], head_width: 4, groups: 4}"
    course = f"size: 8, times: 20, every: 1, schedule: {{epochs: 2, batch_size: 4}}, network: {network}"
    found = report(tmp_path, recipe(None, f"generator={{kind: pixels, network: {{{course}}}}}"))
    assert [row[0] for row in table(found, "What the searches found").rows] == ["the model of pixels"]


def test_greyscale_images_of_odd_sizes_and_a_class_of_one_image_come_back_in_their_size(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Pipeline, "base", "zoo:diorama")
    data = _grey(tmp_path / "grey", counts=(6, 1))
    found = report(tmp_path, recipe(base, "tuning.trials=[1]", "tuning.images=2", "amount.times=[1]", EYES), data)
    assert any("One training image is all there is of b" in sentence for sentence in found.summary)
    assert "Beside the images that measure, the data have no validation split: 3 images were held out of training." in (
        found.summary
    )
    assert any(sentence.startswith("No validation image shows b:") for sentence in found.summary)
    assert any("The CLIP of `eyes` knows Diorama alone" in sentence for sentence in found.summary)
    assert any("has only ever drawn Diorama" in sentence for sentence in found.summary)
    drawn = read(str(tmp_path / "run/data")).splits["train"].samples
    assert {Worker(workspace=tmp_path).pixels.image(sample.image).size for sample in drawn} == {(21, 17)}


def test_another_seed_is_judged_by_the_images_that_this_one_did_not_learn_from(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
):
    data, held = _grey(tmp_path / "grey", counts=(6, 6)), []

    def killed(self: Any, run: Run, data: Collection, choice: Any) -> None:
        held.append({sample.image.digest for sample in choice["validation"].samples})
        raise KeyboardInterrupt

    monkeypatch.setattr(Datagen, "rounds", killed)
    for seed in range(3):
        with suppress(KeyboardInterrupt):
            report(tmp_path, recipe(base, f"seeds=[{seed}]"), data)
    assert held[0] == held[1] == held[2]


def test_where_no_image_can_judge_a_search_says_so(tmp_path: Path, base: Path):
    data = _grey(tmp_path / "grey", counts=(1, 1))
    with pytest.raises(BadData, match="No real images are left to tell ways of drawing apart by"):
        report(tmp_path, recipe(base), data)
    assert report(tmp_path, recipe(base, "tuning.trials=[]", "stage=generate"), data, "drawn").numbers["drawn"] == 4


def test_a_trial_without_memory_ends_alone_and_of_failed_ones_it_is_said_why(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
):
    score = searching.Study.score

    def scarce(self: Any, known: Any, way: Any, *more: Any) -> float:
        if way.steps == 3:
            raise MemoryError("not enough memory for three steps")
        return score(self, known, way, *more)

    monkeypatch.setattr(searching.Study, "score", scarce)
    one = recipe(base, "stage=search", "generator.learn=[encoder]", "tuning.trials=[5]")
    rows = table(report(tmp_path, one), "Trials of search 1").rows
    assert any("out of memory" in row[-1] for row in rows)
    monkeypatch.setattr(searching.Study, "score", _failing)
    with pytest.raises(TooManyFailures, match="the network says nothing"):
        report(tmp_path / "failed", one)


def test_a_trial_is_heard_on_its_way_and_not_at_its_end_where_nothing_is_left_to_spare(tmp_path: Path, base: Path):
    one = recipe(base, "generator.learn=[encoder]", "generator.encoder.schedule.epochs=1", "tuning.trials=[]",
                 "tuning.classifier.evaluate_every=1", "tuning.classifier.steps=3")  # fmt: skip
    heard: list[int] = []
    with Run(tmp_path / "run", Worker(workspace=tmp_path, processes=1)) as held:
        choice = {name: DATA.splits[name] for name in ("train", "validation")}
        known = one.rounds(held, DATA, choice)[-1].known
        study = searching.Study(
            run=held, generator=one.generator, tuning=one.tuning, usual=one.drawing, choice=choice,
            judges=choice["validation"], size=(32, 32), seed=0,
        )  # fmt: skip
        study.score(known, one.drawing, 0, lambda step, _: heard.append(step))
    assert heard == [1, 2]


def test_sets_are_nested_and_of_the_size_that_was_asked_for():
    train = _dataset((3, 1))
    for per_class, counts in (("original", [3, 1]), ("balanced", [2, 2]), (4, [4, 4]), ({"b": 5}, [0, 5])):
        amount = Amount(per_class=per_class, times=(1, 3))
        assert amount.counts(train) == counts
        requests = amount.requests(train, 1.0, None, 0)
        drawn = [_drawn(request.label, request.seed) for request in requests]
        sets = amount.nested(drawn, train)
        assert [len(each) for each in sets.values()] == [sum(counts), 3 * sum(counts)]
        for label in range(2):
            small, large = ([s for s in each.samples if s.target == label] for each in sets.values())
            assert large[: len(small)] == small
    with pytest.raises(UnknownName, match="Did you mean 'b'"):
        Amount(per_class={"bb": 1}).counts(train)
    assert asked(1, 2, 0, guidance=1.0) == asked(1, 2, 0, guidance=1.0)


def test_equal_drawings_are_published_as_of_the_sets_that_they_are_in():
    train = _dataset((2, 2))
    drawn = [replace(_drawn(label, seed), image=Address("grey")) for label in range(2) for seed in range(4)]
    published = to_publish(Amount(times=(1, 2)).nested(drawn, train))
    assert Counter(sample.attributes["set"] for sample in published.samples) == {"x1": 4, "x2": 4}


def test_a_drawing_that_nobody_can_look_at_moves_no_other_to_its_place(tmp_path: Path):
    looks = {name: DATA.splits[name] for name in ("train", "validation")}
    made = replace(looks["train"], samples=(Sample(image=Address("0" * 32), target=0), *looks["train"].samples))
    with Run(tmp_path / "run", Worker(workspace=tmp_path, processes=1)) as held:
        (nearest,) = quality(held, [ClipEmbed(model="zoo:diorama/clip")], {"x1": made}, looks).galleries
    assert len(nearest.pictures) == len(looks["train"])
    assert all(one.sample.image == one.source for one in nearest.pictures)


def test_what_could_not_be_drawn_or_is_not_in_a_set_is_said(tmp_path: Path):
    train, amount = _dataset((3, 3)), Amount(times=(1, 2))
    sets = amount.nested([_drawn(label, seed) for label in range(2) for seed in range(4)], train)
    drawn = Round(part=None, known=Adapted(model="x"), way=Way())
    assert "Mind: of x2 only 8 of 12 images could be drawn." in _said(tmp_path, [drawn], sets, amount)
    lacking = {MADE: replace(train, samples=train.samples[:3], split=MADE)}
    assert f"Mind: no image of b is in the set {MADE!r}." in _said(tmp_path, [], lacking, amount)


def _said(folder: Path, rounds: list[Round], sets: dict[str, Dataset], amount: Amount) -> tuple[str, ...]:
    data = Collection(name="x", kind="x", splits={"train": _dataset((3, 3)), "validation": _dataset((1, 1))})
    found = Synthesis(
        data=data, choice=data.splits, rounds=rounds, amount=amount, sets=sets, trials=[], quality=Quality(words=())
    )
    with Run(folder / "run", Worker(workspace=folder, processes=1)) as held:
        return told(held, found).summary


def test_rows_of_a_set_made_elsewhere_that_are_left_out_are_told(tmp_path: Path):
    _grey(tmp_path / "grey", counts=(2, 2))
    rows = ["train/a/0.png,a", "train/b/0.png,b", "train/b/1.png,"]
    (tmp_path / "grey/made.csv").write_text("\n".join(["path,label", *rows]))
    told: list[str] = []
    with Run(tmp_path / "run", Worker(workspace=tmp_path, processes=1)) as held:
        held.watcher.note = told.append
        made_elsewhere(held, str(tmp_path / "grey/made.csv"), read(str(tmp_path / "grey")).splits["train"])
    assert any("a row without a label" in one for one in told)


def test_a_glance_is_at_no_more_than_the_page_shows():
    for classes, drawn in ((3, 18), (100, 200), (1000, 240)):
        train = _dataset((2,) * classes)
        assert len(glance(train).requests(train, 1.0, None, 0)) == drawn


def test_a_stage_that_searches_nothing_is_refused_and_one_that_does_not_search_says_so(tmp_path: Path, base: Path):
    for sets in (["tuning.trials=[]"], ["tuning.trials=[0,0,3]"], ["tuning.trials=[0,3]", "generator.learn=[encoder]"]):
        with pytest.raises(BadConfig, match="no way is tried after anything that learns"):
            report(tmp_path, recipe(base, "stage=search", *sets))
    told: list[str] = []
    with Run(tmp_path / "run", Worker(workspace=tmp_path, processes=1)) as held:
        held.watcher.note = told.append
        foresee(held, recipe(base, "stage=generate"), DATA.splits["train"])
        foresee(held, recipe(base, "stage=generate", "tuning.trials=[]"), DATA.splits["train"])
    assert len(told) == 1
    assert "does not search" in told[0]


def test_a_thousand_classes_are_each_asked_for():
    train = _dataset((1,) * 1000)
    assert len(Amount(per_class="balanced", times=(1,)).requests(train, 1.0, None, 0)) == 1000


def test_the_second_search_looks_around_what_the_first_found():
    tuning = plugins.preset(Datagen, "paper").tuning
    usual = tuning.usual(plugins.preset(Datagen, "paper").drawing, [1, 2, 3])
    assert usual.epoch == 3
    first = tuning.search(0, [1, 2, 3], usual, None, 0)
    assert first.space["steps"].model_dump() == {"low": 5, "high": 50}
    assert first.space["guidance"].model_dump() == {"low": 0.0, "high": 7.5}
    best = tuning.way({"epoch": 2, "steps": 30, "guidance": 1.2}, [1, 2, 3], usual)
    assert (best.steps, best.guidance) == (31, 1.2)  # as the published sampler counts
    second = tuning.search(1, [5], usual, best, 0)
    assert second.space["steps"].model_dump() == {"low": 5, "high": 30}
    assert second.space["guidance"].model_dump() == {"low": 0.0, "high": 2.4}
    assert "epoch" not in second.space


def test_the_least_guidance_stays_the_least_around_a_best_beneath_it():
    space = Tuning(guidance=(2.0, 7.5)).search(1, [5], Way(), Way(guidance=0.5), 0).space
    assert space["guidance"].model_dump() == {"low": 2.0, "high": 2.0}


def test_a_search_begins_with_the_way_by_hand_and_its_epoch():
    usual, best = Way(epoch=2, steps=9, guidance=1.5), Way(epoch=7, steps=12, guidance=3.0)
    first = Tuning().search(1, [1, 2, 3], usual, best, 0).first
    assert first == (
        {"steps": 9, "guidance": 1.5, "epoch": 2},
        {"steps": 12, "guidance": 3.0, "epoch": 3},  # the seventh was of another part
    )


def test_noise_that_no_scheduler_heeds_is_not_searched():
    with pytest.raises(BadConfig, match="only ddim heeds them"):
        recipe(None, "tuning.etas=[0,1]")
    recipe(None, "tuning.etas=[0,1]", "drawing.scheduler=ddim")


def test_equal_step_schedules_are_one_way():
    tuning, usual = plugins.preset(Datagen, "paper").tuning, Datagen().drawing
    ways = {tuning.way({"steps": steps, "guidance": 1.0}, [], usual).steps for steps in range(5, 51)}
    assert len(ways) == 35  # of 46 numbers; the published sampler goes 39 ways, some of equally many steps
    said = {"steps": 9, "guidance": 1.1, "epoch": 4}
    assert Tuning().way(said, [2, 6], usual).model_dump(exclude_none=True) == {
        "epoch": 2, "steps": 9, "guidance": 1.0, "eta": 0.0,
    }  # fmt: skip


def test_how_to_draw_again_is_said_whole_whatever_it_is_laid_over():
    found = Round(part="encoder", known=Adapted(model="x", epoch=2), way=Way(epoch=2, steps=9, guidance=1.5))
    (said,) = tuning_report.words([found])
    assert "--set drawing.epoch=2 --set drawing.steps=9 --set drawing.guidance=1.5 " in said
    assert "--set drawing.scheduler=null --set drawing.eta=0.0." in said


def test_presets_say_what_they_are():
    assert plugins.presets(Datagen) == ["tiny", "default", "paper", "paper-code-selects-on-test"]
    code = plugins.preset(Datagen, "paper-code-selects-on-test")
    assert (code.tuning.split, code.generator.encoder.shape, code.generator.encoder.unsaid) == ("test", "published", 0)
    assert plugins.preset(Datagen, "paper").tuning.split == "validation"
    with pytest.raises(BadConfig, match="without a `start` an encoder learns first"):
        recipe(None, "generator.learn=[denoiser]")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("generator=pixels", r"such as generator\.kind"),
        ("generator.encoder.start.model=/anywhere", r"say generator\.start"),
        ("generator.encoder={stage: denoiser, start: {model: /anywhere}}", r"say generator\.start"),
        ("generator.denoiser.seed=3", "the first of the recipe's `seeds`"),
    ],
)
def test_what_a_generator_would_not_heed_is_refused(wrong: str, words: str):
    with pytest.raises(BadConfig, match=words):
        recipe(None, wrong)


def test_what_chose_by_test_images_says_so(tmp_path: Path, base: Path):
    found = report(tmp_path, recipe(base, "tuning.split=test", "stage=search", "tuning.trials=[1]"))
    assert "TEST images chose" in found.summary[0]


def _failing(*_said: Any) -> float:
    raise BadData("the network says nothing.")


def _grey(folder: Path, counts: tuple[int, ...]) -> Collection:
    from PIL import Image

    dice = np.random.default_rng(0)
    for split, number in (("train", counts), ("test", (2,) * len(counts))):
        for name, count in zip("abc", number, strict=False):
            (folder / split / name).mkdir(parents=True)
            for n in range(count):
                Image.fromarray(dice.integers(0, 255, (17, 21), np.uint8)).save(folder / split / name / f"{n}.png")
    return read(str(folder))


def _dataset(counts: tuple[int, ...]) -> Dataset:
    samples = [
        Sample(image=Address(f"{label}-{n}"), target=label) for label, count in enumerate(counts) for n in range(count)
    ]
    names = "ab" if len(counts) == 2 else [f"class{n}" for n in range(len(counts))]
    return Dataset(samples=tuple(samples), classes=tuple(names))


def _drawn(label: int | None, seed: int) -> Sample:
    return Sample(image=Address(f"{label} {seed}"), target=label, origin=Origin(seed=seed))


def test_what_is_wrong_with_the_wishes_is_said_before_anything_learns(tmp_path: Path, base: Path):
    for wrong, words in (
        ("amount.per_class.cra=50", "Did you mean 'car'"),
        ("amount.per_class={car: 0}", "no class has any picture"),
        ("training.classes=[car]", "all classes are learnt and drawn"),
        ("features=nowhere/at-all", "nowhere/at-all"),
        (f"features={tmp_path}", "holds no model"),
        ("eyes=zoo:diorama/classifier", "expected the folder or hub id of a 'clip' model"),
        ("drawing.eta=0.5", "say drawing.scheduler=ddim"),
        ("drawing.epoch=2", "the denoiser learns no epoch 2"),
        ("drawing={epoch: 9}", "the denoiser learns no epoch 9"),
    ):
        with pytest.raises(CounterfactoryError, match=words):
            report(tmp_path, recipe(base, wrong), name=words[:4])
    assert not list((tmp_path / "artifacts").glob("*/epochs"))


def test_a_start_that_learnt_other_classes_is_refused(tmp_path: Path, base: Path):
    report(tmp_path, recipe(base, "stage=adapt", "tuning.trials=[]"))
    (start,) = {path.parents[2] for path in tmp_path.glob("artifacts/*/epochs/001/unet")}
    turned = read("diorama:train=12,validation=21,test=9,size=32,classes=house+dog+car")
    again = recipe(base, "stage=generate", f"generator.start.model={start}", "generator.learn=[]")
    assert report(tmp_path, again, name="same").numbers["drawn"] > 0
    with pytest.raises(BadConfig, match=r"learnt 3 classes \(car, dog, house\), and the data have .*house, dog, car"):
        report(tmp_path, again, turned, "turned")


def test_what_was_adapted_is_searched_and_drawn_with_and_not_adapted_again(tmp_path: Path, base: Path):
    for stage in ("adapt", "search", "generate"):
        report(tmp_path, recipe(base, f"stage={stage}", "tuning.trials=[0,2]"), name=stage)
        assert len(list(tmp_path.glob("artifacts/*/epochs"))) == 2


def test_an_epoch_by_hand_is_the_last_parts(tmp_path: Path, base: Path):
    two = ("generator.denoiser.epochs=2", "generator.encoder.every=2", "generator.encoder.schedule.epochs=1")
    with pytest.raises(BadConfig, match=r"drawing.epoch: 1 was not kept; there is 2\."):
        report(tmp_path, recipe(base, "drawing.epoch=1", "stage=search", "tuning.trials=[0,1]", *two))
    found = report(tmp_path, recipe(base, "drawing.epoch=1", "stage=search"), name="first")
    assert "search 1, by hand, %" in found.numbers


def test_rejected_images_are_neither_counted_nor_learnt_from(tmp_path: Path):
    train = replace(_dataset((3, 1)), weights=(1.0, 0.0, 0.5, 1.0))
    assert accepted(train).weights == (1.0, 0.5, 1.0)
    assert Amount().counts(accepted(train)) == [2, 1]
    made = arms(Worker(workspace=tmp_path), {"train": accepted(train)}, {"x1": train}, QUICK_ONE, [0])
    learnt = {arm.method: arm.data["train"] for arm in made}
    assert learnt[f"{REAL} + x1"].weights == (1.0, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0)


def test_all_classifiers_of_the_score_see_the_size_of_the_real_images(tmp_path: Path):
    real, made = squares(tmp_path, 3), squares(tmp_path / "made", 3, size=150)
    for trainer, size in ((ClassifierTrainer(), 64), (ClassifierTrainer(model=CifarResNet(), seed=7), 32)):
        found = arms(Worker(workspace=tmp_path), {"train": real}, {"x1": made}, trainer, [0, 1])
        assert {(arm.trainer.size, arm.trainer.seed) for arm in found} == {(size, 0), (size, 1)}


def test_pictures_of_all_sizes_are_drawn_in_the_middle_one(tmp_path: Path):
    for number, size in enumerate([(3000, 20), (30, 31), (32, 30), (31, 33), (33, 34)]):
        (tmp_path / "photos" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(tmp_path / "photos" / "ab"[number % 2] / f"{number}.png")
    train = read(str(tmp_path / "photos")).splits["train"]
    with Run(tmp_path / "run", Worker(workspace=tmp_path, processes=1)) as held:
        assert native_size(held, train) == (32, 31)


def test_published_steps_stay_what_they_are_in_the_second_search():
    tuning = plugins.preset(Datagen, "paper").tuning
    usual = tuning.usual(plugins.preset(Datagen, "paper").drawing, [1])
    best = tuning.way({"epoch": 1, "steps": 45, "guidance": 1.0}, [1], usual)
    again = tuning.search(1, [1], usual, best, 0)
    assert best.steps == 46
    assert tuning.way(again.first[-1], [1], usual).steps == 46
    assert again.space["steps"].model_dump()["high"] == 44  # the first of those that make 46
