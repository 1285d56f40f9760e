"""The recipes' own parts: presets, choices of images, and what trials are worth beside each other."""

from dataclasses import replace

import numpy as np
import pytest

from counterfactory import keys, plugins
from counterfactory.config import resolve
from counterfactory.data.join import join
from counterfactory.errors import BadConfig, BadData
from counterfactory.recipes.comparison import accuracy_table, difference_table, tag_table, verdicts
from counterfactory.recipes.job import Job, build, identifying, schema
from counterfactory.recipes.prepare import measurable, usable
from counterfactory.recipes.reports import one_classifier, several_methods
from counterfactory.recipes.trials import Trial, few_shot, measuring_splits
from counterfactory.run import Run
from counterfactory.types import Address, Artifact, Collection, Dataset, Sample
from counterfactory.watch import Silent
from squares import squares, worker

CLASSES = ("cat", "dog")
EVERY = [(job, name) for job in plugins.JOBS for name in plugins.recipe_names(job)]


def samples(count, start=0, **fields):
    return tuple(
        Sample(image=Address(keys.key(start + i)), target=(start + i) % 2, attributes=dict(fields))
        for i in range(count)
    )


def collection(**counts):
    splits = {
        name.replace("_", "-"): Dataset(
            samples=samples(count, 1000 * at), classes=CLASSES, split=name.replace("_", "-")
        )
        for at, (name, count) in enumerate(counts.items())
    }
    return Collection(name="pets", kind="made up", splits=splits)


def trial(method, seed, right, dataset):
    """A trial whose first `right` answers of a split are right."""
    truth = np.array([sample.target for sample in dataset.samples])
    said = np.where(np.arange(len(truth)) < right, truth, 1 - truth)
    probabilities = np.full((len(truth), 2), 0.1, np.float32)
    probabilities[np.arange(len(truth)), said] = 0.9
    artifact = Artifact(kind="classifier", key=f"{method}{seed}", numbers={"validation_accuracy": right / len(truth)})
    answers = {dataset.split: {"probabilities": probabilities, "targets": truth}}
    return Trial(method=method, seed=seed, task="single-label", classifier=artifact, answers=answers)


@pytest.mark.parametrize(("job", "name"), EVERY)
def test_every_preset_builds_and_survives_a_file(job, name):
    recipe = plugins.load_recipe(job, name)
    assert "default" in plugins.presets(recipe)
    for preset in plugins.presets(recipe):
        built = plugins.preset(recipe, preset)
        assert resolve(recipe.default(), built.model_dump(mode="json")) == built
        assert type(built).model_validate_json(built.model_dump_json()) == built


@pytest.mark.parametrize(("job", "name"), EVERY)
def test_no_recipe_has_a_field_that_a_job_has_too(job, name):
    recipe = plugins.load_recipe(job, name)
    assert not set(recipe.model_fields) & set(Job.model_fields)
    assert set(schema(job, name)["properties"]) == set(recipe.model_fields) | set(Job.model_fields)


def test_images_for_training_and_for_validation_are_never_the_same():
    data = collection(train=60, test=4)
    for seed in range(5):
        chosen = few_shot(data, 4, seed)
        train = {sample.image.digest for sample in chosen["train"].samples}
        validation = {sample.image.digest for sample in chosen["validation"].samples}
        assert len(train) == 8
        assert validation
        assert not train & validation


def test_all_images_still_leave_some_for_validation():
    chosen = few_shot(collection(train=60, test=4), None, 0)
    assert len(chosen["train"]) + len(chosen["validation"]) == 60
    assert len(chosen["validation"]) > 0


def test_a_validation_split_that_is_there_is_used_whole():
    assert len(few_shot(collection(train=20, validation=10, test=4), 2, 0)["validation"]) == 10


def test_the_test_splits_are_those_whose_names_begin_so():
    assert list(measuring_splits(collection(train=2, test=2, test_unusual=2, validation=2))) == ["test", "test-unusual"]


def test_segmentation_is_refused_with_what_would_do():
    split = Dataset(samples=samples(4), classes=CLASSES, task="segmentation", split="test")
    with pytest.raises(BadData, match="class folders"):
        measuring_splits(Collection(name="roads", kind="pairs", splits={"test": split}))


def test_the_table_has_means_with_intervals_over_seeds():
    data = collection(test=10).splits["test"]
    table = accuracy_table([trial("none", 0, 5, data), trial("none", 1, 7, data)], ["test"])
    ((method, cell),) = table.rows
    assert method == "none"
    assert (cell.mean, cell.n) == (60.0, 2)
    assert cell.low == 0.0  # 60 - 12.7 * 10, which no accuracy can be


def test_gains_are_paired_by_seed():
    data = collection(test=10).splits["test"]
    trials = [trial(m, s, r, data) for m, s, r in [("none", 0, 2), ("none", 1, 6), ("more", 1, 8), ("more", 0, 4)]]
    ((method, gain),) = difference_table(trials, ["test"], "none").rows
    assert method == "more"
    assert gain.mean == pytest.approx(20)
    assert gain.low == pytest.approx(20)  # the same gain for each seed, though the seeds are far apart


def test_a_verdict_is_on_what_validation_chose_and_says_whether_it_is_more_than_chance():
    data = collection(test=10).splits["test"]
    equal = [trial(m, s, r + s, data) for s in range(3) for m, r in (("none", 3), ("more", 6))]
    (sentence,) = verdicts(equal, ["test"], "none")
    assert "more (best on validation) reaches 70.0" in sentence
    assert sentence.endswith("equal for each seed, so that nothing can be said of chance.")
    counts = {"none": (3, 3, 4), "more": (7, 8, 8)}
    sure = [trial(method, seed, right, data) for method in counts for seed, right in enumerate(counts[method])]
    (sentence,) = verdicts(sure, ["test"], "none")
    assert sentence.endswith("more than chance.")
    open_question = [trial("none", s, 5, data) for s in range(2)] + [trial("more", s, 5 + s, data) for s in range(2)]
    (sentence,) = verdicts(open_question, ["test"], "none")
    assert sentence.endswith("which may be chance.")


def test_the_best_on_the_test_split_is_not_what_is_told():
    data = collection(test=10).splits["test"]
    lucky = replace(
        trial("lucky", 0, 9, data), classifier=Artifact(kind="c", key="k", numbers={"validation_accuracy": 0.1})
    )
    (sentence,) = verdicts([trial("none", 0, 5, data), lucky], ["test"], "none")
    assert sentence.startswith("On test, none (best on validation) reaches 50.0")


def test_where_there_is_no_test_split_validation_measures_and_others_choose():
    data = measurable(collection(train=60, validation=10))
    assert list(measuring_splits(data)) == ["test"]
    assert data.splits["test"].split == "test"
    chosen = few_shot(data, 4, 0)
    assert not {s.image for s in chosen["validation"].samples} & {s.image for s in data.splits["test"].samples}


def test_accuracy_is_told_by_what_is_unusual():
    first, second = samples(4, unusual="weather"), samples(4, 4, unusual="time")
    data = Dataset(samples=first + second, classes=CLASSES, split="test-unusual")
    table = tag_table([trial("none", 0, 4, data)], data, "unusual")
    assert table.columns == ("method", "weather", "time")
    assert [cell.mean for cell in table.rows[0][1:]] == [100.0, 0.0]


def test_one_report_shows_numbers_confusion_and_mistakes():
    data = collection(train=4, test=10)
    report = several_methods("title", [trial("none", 0, 6, data.splits["test"])], data, ["words"])
    assert report.numbers == {"none on test": 60.0}
    assert len(report.galleries[0].pictures) == 4
    assert {picture.note for picture in report.galleries[0].pictures} == {"taken for cat", "taken for dog"}
    alone = one_classifier("t", "s", trial("none", 0, 6, data.splits["test"]), {"test": data.splits["test"]})
    assert alone.numbers["accuracy on test"] == 0.6


def test_several_labels_are_compared_without_a_confusion():
    split = Dataset(samples=samples(4), classes=CLASSES, task="multi-label", split="test")
    data = Collection(name="faces", kind="table", splits={"test": split})
    answers = {"test": {"probabilities": np.full((4, 2), 0.9), "targets": np.array([[1.0, np.nan]] * 4)}}
    artifact = Artifact(kind="classifier", key="k")
    found = Trial(method="none", seed=0, task="multi-label", classifier=artifact, answers=answers)
    report = several_methods("t", [found], data, [])
    assert report.numbers == {"none on test": 100.0}
    assert [plot.kind for plot in report.plots] == ["bars"]


def test_joining_matches_classes_by_name():
    one = Collection(name="a", kind="k", splits={"train": Dataset(samples=samples(2), classes=("cat", "dog"))})
    two = Collection(
        name="b",
        kind="k",
        splits={"train": Dataset(samples=samples(2, 10), classes=("dog", "eel"), weights=(1.0, 0.0))},
    )
    joined = join([one, two])
    assert joined.classes == ("cat", "dog", "eel")
    assert [sample.target for sample in joined.splits["train"].samples] == [0, 1, 1, 2]
    assert joined.splits["train"].weights == (1.0, 1.0, 1.0, 0.0)


def test_hard_and_soft_labels_join_as_soft_ones():
    soft = Dataset(
        samples=(Sample(image=Address("s"), target=(0.25, 0.75)),), classes=("dog", "cat"), task="soft-label"
    )
    hard = Dataset(samples=samples(2), classes=("cat", "dog"))
    joined = join([Collection(name=n, kind="k", splits={"train": d}) for n, d in (("a", hard), ("b", soft))])
    assert joined.task == "soft-label"
    assert [s.target for s in joined.splits["train"].samples] == [(1.0, 0.0), (0.0, 1.0), (0.75, 0.25)]


def test_what_cannot_be_joined_says_why():
    several = Dataset(samples=(Sample(image=Address("s"), target=(0, 1)),), classes=CLASSES, task="multi-label")
    hard = Dataset(samples=samples(2), classes=CLASSES)
    with pytest.raises(BadData, match="a is single-label, b is multi-label"):
        join([Collection(name=n, kind="k", splits={"train": d}) for n, d in (("a", hard), ("b", several))])


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("classifier.seed=98", r"'classifier': its seed is that of the recipe; set `seed`"),
        ("classifier.learning_rate=.inf", r"'classifier\.learning_rate': inf is not allowed"),
        ("recipe=5", r"'recipe': 5 is not allowed; input should be a valid string"),
    ],
)
def test_settings_that_would_mislead_are_refused(setting, complaint):
    with pytest.raises(BadConfig, match=complaint):
        build({"job": "train", "data": "x"}, None, [setting], None)


def test_a_class_of_which_every_image_is_broken_is_said(tmp_path):
    split = squares(tmp_path, 6)
    for number in (1, 4):
        (tmp_path / f"train-{number}.png").write_bytes(b"no image")
    notes, watcher = [], Silent()
    watcher.note = notes.append
    with Run(tmp_path / "workspace" / "run", worker(tmp_path), watcher) as run:
        left = usable(run, Collection(name="squares", kind="made up", splits={"train": split}))
    assert len(left.splits["train"]) == 4
    assert notes == ["Every image of green in the split 'train' is broken: nothing is left of it there."]


def test_how_memory_is_spared_is_a_setting_and_no_part_of_the_work_but_for_tiles():
    settings: list[tuple[str, ...]] = [(), ("memory.offload=true", "memory.compile=true"), ("memory.tiling=true",)]
    plain, spared, tiled = (build({"job": "stress", "data": "x"}, None, sets, None) for sets in settings)
    assert spared[0].memory.offload
    assert identifying(*spared) == identifying(*plain) != identifying(*tiled)
