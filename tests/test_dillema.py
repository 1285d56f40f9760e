"""DILLEMA from a folder and a model to what breaks it, drawn by the zoo."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command_line import call
from counterfactory.data.diorama.captions import caption
from counterfactory.data.diorama.place import scene_at
from counterfactory.data.limit import Quota, within
from counterfactory.data.read import read
from counterfactory.errors import BadConfig, BadData, UnknownName
from counterfactory.names import model_folder
from counterfactory.recipes.checks import NAMES, Checks, Verdict
from counterfactory.recipes.counterfactuals import Counterfactual, in_words, passage, spoken
from counterfactory.recipes.dillema import Dillema
from counterfactory.recipes.job import build
from counterfactory.recipes.overlap_report import _columns
from counterfactory.recipes.scores import Made
from counterfactory.recipes.stress_report import Found, foreign, sheet_rows
from counterfactory.recipes.tested import Said, called, opened
from counterfactory.recipes.truth import true_changes, true_counterfactual
from counterfactory.run import Run
from counterfactory.types import Edit, Failed, Report, Rewriting, Sample
from counterfactory.worker import Worker
from squares import squares

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

DATA = read("diorama:train=30,validation=40,test=30")
QUICK = ["engine.steps=3", "quota.per_class=1", "quota.classes=[car, dog, house]"]


def run(folder: Path) -> Run:
    return Run(folder / "run", Worker(workspace=folder))


def recipe(*sets: str, preset: str = "tiny") -> Dillema:
    found: Any = build({"job": "stress", "preset": preset, "data": "x"}, None, [*QUICK, *sets], None)[1]
    return found


def report(folder: Path, one: Dillema) -> Report:
    with run(folder) as held:
        return one.run(held, DATA)


def test_a_model_is_tested_from_captions_to_findings(tmp_path: Path):
    found = report(tmp_path, recipe("sheet=4", "checks.names=[change]"))
    assert found.numbers["images"] == 3
    assert found.numbers["counterfactuals"] == 6
    titles = [table.title for table in found.tables]
    assert "What the counterfactuals show" in titles  # the truth is known of Diorama
    assert "Checks" in titles
    pictures = [picture for gallery in found.galleries for picture in gallery.pictures]
    assert len(pictures) == 6
    for picture in pictures:
        assert picture.source is not None
        assert picture.sample.origin is not None
        assert picture.sample.origin.parent == picture.source.digest
        assert len(picture.sample.origin.changed) == 1  # one edit an image
        assert picture.facts["said of the source"] in DATA.classes
    rows = [json.loads(line) for line in (tmp_path / "run/data/test/metadata.jsonl").read_text().splitlines()]
    assert len(rows) == 3
    published = [
        path for name in ("counterfactual", "rejected") for path in (tmp_path / "run/data" / name).rglob("*.png")
    ]
    assert len([path for path in published if "masks" not in path.parts]) == 6
    with (tmp_path / "run/sheet/to-hand-out/sheet.csv").open() as stream:
        assert len(list(csv.reader(stream))) == 1 + 4


def test_where_no_drawing_counts_the_page_says_so(tmp_path: Path):
    found = report(tmp_path, recipe("sheet=4", "checks.strictness=0.9"))
    assert found.numbers["valid"] == 0
    assert "No counterfactual passed the checks" in found.summary[0]
    assert [gallery.title for gallery in found.galleries] == ["Refused by the checks"]
    assert not (tmp_path / "run/sheet").exists()


def test_the_same_command_draws_nothing_twice(tmp_path: Path):
    first = report(tmp_path, recipe())
    with run(tmp_path) as held:
        again = recipe().run(held, DATA)
        assert held.made == 0
    assert again.numbers == first.numbers


def test_a_persons_own_edits_are_made_and_no_others(tmp_path: Path):
    edits = "writer={kind: interventions, edits: [{kind: weather, add: in thick fog}]}"
    found = report(tmp_path, recipe(edits, "captioner={kind: given}"))
    changed = [p.sample.origin.changed for g in found.galleries for p in g.pictures if p.sample.origin]
    assert changed == [{"weather": "in thick fog"}] * len(changed)
    assert changed


def test_other_classes_than_the_zoo_s_are_checked_without_its_classifier(tmp_path: Path):
    renamed = {"labels={car: automobile, dog: hound, house: home}", "quota.classes=[automobile, hound, home]"}
    data = read("diorama:train=3,validation=12,test=6,classes=car+dog+house")
    other = replace(
        data, splits={n: replace(s, classes=("automobile", "hound", "home")) for n, s in data.splits.items()}
    )
    model = "model=zoo:diorama/classifier-usual"
    with run(tmp_path) as held:
        found = recipe(model, *renamed, "checks.segmenter=zoo:diorama/segmenter").run(held, other)
        named = recipe(model, *renamed, f"checks.classifier={model_folder('zoo:diorama/classifier')}")
        with pytest.raises(BadConfig, match=r"checks\.classifier: .*automobile"):
            named.run(held, other)
    (checks,) = (table for table in found.tables if table.title == "Checks")
    assert {"text", "image", "change"} <= {row[0] for row in checks.rows} <= set(NAMES) - {"confidence", "layout"}
    assert any("Diorama alone" in sentence for sentence in found.summary)


def test_repair_measures_before_and_after_on_every_hard_test(tmp_path: Path):
    sets = ("repair={quota: {per_class: 1}, seeds: [0], trainer: {steps: 2, learning_rate: 1.0e-4}}",)
    found = report(tmp_path, recipe(*sets))
    (table,) = (table for table in found.tables if table.title == "Repair")
    tests = {row[0] for row in table.rows}
    assert {"test", "test-unusual", "test-uniform"} <= tests
    for row in table.rows:
        assert all(0 <= arm.mean <= 100 for arm in row[2:5])


def test_repair_goes_on_with_all_classes_that_the_model_knows(tmp_path: Path):
    still = "repair={quota: {per_class: 1}, seeds: [0], trainer: {steps: 1, learning_rate: 1.0e-9}}"
    found = report(tmp_path, recipe("checks.names=[change]", still))  # three classes of the model's ten
    (table,) = (table for table in found.tables if table.title == "Repair")
    for row in table.rows:
        assert row[2].mean == row[3].mean == row[4].mean
    assert "counterfactuals too" in (table.note or "")


def test_repair_does_not_train_on_what_it_measures(tmp_path: Path):
    one = recipe("repair={quota: {per_class: 1}}", "split=train")
    data = replace(DATA, splits={"train": DATA.splits["train"]})
    with run(tmp_path) as held, pytest.raises(BadData, match="all training images are tested on"):
        one.model_copy(update={"quota": Quota()}).run(held, data)


def test_without_checks_no_reference_image_is_captioned(tmp_path: Path):
    with run(tmp_path) as held:
        one, tests = recipe("checks.names=[]", "captioner={kind: given}"), within(DATA.splits["test"], Quota(total=2))
        bare = replace(
            DATA.splits["validation"],
            samples=tuple(replace(sample, caption=None) for sample in DATA.splits["validation"].samples),
        )
        made, bounds = one.counterfactuals(held, tests, bare)
        assert made
        assert bounds == {}
        checked = one.model_copy(update={"checks": Checks(clip="zoo:diorama/clip")})
        assert set(checked.counterfactuals(held, tests, bare)[1]) == {"change"}


def test_photographs_whose_classes_have_the_names_of_diorama_s_are_no_diorama(tmp_path: Path):
    photographs = squares(tmp_path / "images", 6)
    named = replace(photographs, classes=("car", "cat", "dog"))
    assert foreign("zoo:diorama", DATA.splits["test"]) == ()
    assert "knows Diorama alone" in foreign("zoo:diorama", named)[0]
    with run(tmp_path) as held:
        assert Checks(classifier="zoo:diorama/classifier").fitting(held, named).classifier is None
        assert Checks(classifier="zoo:diorama/classifier").fitting(held, DATA.splits["test"]).classifier


def test_people_are_asked_for_a_thing_with_its_article_or_for_the_words_where_there_are_pixels():
    made = replace(Made(
        source=DATA.splits["test"].samples[0], before="a bus on a road", after="a bus on a road at night",
        drawn=DATA.splits["test"].samples[1],
    ))  # fmt: skip
    one = Counterfactual(made=made, rewriting=Rewriting(caption="", edits=()), verdict=Verdict(scores={}, reasons=()))
    names = replace(DATA.splits["test"], classes=("orange tree",) * 10)
    found = Found(data=names, made=[one], bounds={}, before=[None], after=[None], truth=None, repair=None)
    assert sheet_rows(found)[0].label == "an orange tree"
    pixels = replace(one, made=replace(made, source=replace(made.source, target=None)))
    assert sheet_rows(replace(found, made=[pixels]))[0].label == "a bus on a road at night"


def test_several_counterfactuals_of_a_source_are_one_observation_of_overlaps():
    made = Made(source=DATA.splits["test"].samples[0], before="", after="", drawn=DATA.splits["test"].samples[1])
    one = Counterfactual(made=made, rewriting=Rewriting(caption="", edits=()), verdict=Verdict(scores={}, reasons=()))
    other = replace(one, made=replace(made, source=DATA.splits["test"].samples[2]))
    said = Said(failed=False, confidence=1.0, answer="", counts=np.ones((3, 2)))
    old, new = _columns([(one, said, said), (other, said, said), (one, said, said)])
    assert old.shape == new.shape == (2, 3, 2)
    assert sorted(old[:, 0, 0]) == [1, 2]


def test_a_segmenter_is_tested_by_overlaps_and_repaired(tmp_path: Path):
    repair = "repair={quota: {per_class: 1}, seeds: [3], segmenter: {schedule: {images: 64, batch_size: 8}}}"
    found = report(tmp_path, recipe("model=zoo:diorama/segmenter", "checks.names=[change]", repair))
    tables = {table.title: table for table in found.tables}
    by_class = {row[0]: row[1:] for row in tables["Overlap with the true masks, by class"].rows}
    assert {"background", "car", "dog", "house"} <= set(by_class)
    before, after, change = by_class["mean of the classes (mIoU)"]
    assert change.mean == pytest.approx(after - before)
    assert found.numbers["mIoU before, %"] == pytest.approx(before, abs=0.01)
    by_edit = tables["Overlap with the true masks, by edit"].rows
    assert sum(row[2] for row in by_edit) == found.numbers["valid"]
    assert [row[5].mean for row in by_edit] == sorted(row[5].mean for row in by_edit)
    assert {"test", "test-unusual"} <= {row[0] for row in tables["Repair"].rows}


@pytest.mark.parametrize(
    ("sets", "sentence"),
    [
        (("model=nothing/here/at/all",), "There is no model"),
        (("drawing.layouts={hed: 1.0}",), "layout_models"),
        (("split=tset",), "tset"),
        (("quota.classes=[cra]",), "cra"),
        (("model=null",), "No model given"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_drawn(tmp_path: Path, sets: tuple[str, ...], sentence: str):
    with pytest.raises((BadConfig, BadData, UnknownName), match=sentence):
        report(tmp_path, recipe(*sets))
    assert not list((tmp_path / "blobs").rglob("*.png")) if (tmp_path / "blobs").exists() else True


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("{name: no.onnx, mean: [0, 0, 0], deviation: [1, 1, 1], crop: 0.9}", "There is no ONNX file no.onnx"),
        ("{name: http://localhost:9/scores, timeout: 5, at_once: 0}", "Field 'at_once': 0 is not allowed"),
    ],
)
def test_what_a_name_leaves_open_is_said_beside_it(tmp_path: Path, capsys: Any, model: str, sentence: str):
    path = tmp_path / "settings.yaml"
    path.write_text(f"model: {model}\n")
    for words in (("--set", f"model={model}"), ("--config", path)):
        answer = call(capsys, "stress", "diorama:train=3,validation=3,test=3", "--workspace", tmp_path / "runs", *words)
        assert (answer.code, sentence in answer.err) == (2, True), answer.err


def test_images_without_labels_or_none_at_all_are_told_before_anything_is_drawn(tmp_path: Path):
    unlabelled = tuple(replace(sample, target=None) for sample in DATA.splits["test"].samples[:2])
    tests = replace(DATA.splits["test"], samples=(*unlabelled, *DATA.splits["test"].samples[2:5]))
    with run(tmp_path) as held:
        with pytest.raises(BadData, match="2 of the 5 images of test have no label"):
            opened(held, "zoo:diorama/classifier", {}, tests)
        with pytest.raises(BadData, match="No image of test is left"):
            opened(held, "zoo:diorama/classifier", {}, replace(tests, samples=()))


def test_every_preset_survives_a_file():
    for preset in Dillema.presets:
        made = getattr(Dillema, preset)()
        assert Dillema.model_validate(made.model_dump(mode="json")) == made


def test_the_writer_and_the_captioner_are_chosen_by_kind_or_by_their_fields():
    named = recipe("writer.kind=published", "writer.writer.model=llama")
    assert named.writer.kind == "published"
    implied = recipe("captioner.endpoint.model=llava")
    assert implied.captioner.kind == "endpoint"


def test_a_passage_protects_the_label_and_its_synonyms_or_all_classes_of_pixels():
    sample = DATA.splits["test"].samples[0]
    label = DATA.classes[sample.target]  # type: ignore[index]
    one = passage((sample, "a caption"), DATA.splits["test"], {label: ("thing",)}, "a task", 3)
    assert (one.label, one.synonyms, one.task, one.seed) == (label, ("thing",), "a task", 3)
    pixels = passage((replace(sample, target=None), "a caption"), DATA.splits["test"], {}, "", 0)
    assert (pixels.label, pixels.synonyms) == ("", DATA.classes)
    assert in_words("fire_truck") == "fire truck"


def test_an_image_without_a_caption_is_left_out_and_several_captions_are_one_text():
    samples = DATA.splits["test"].samples[:2]
    assert spoken(samples, [("a dog.", "a red dog"), Failed("", "why")]) == [(samples[0], "a dog. a red dog")]


def made(before: str, after: str, sample: Sample) -> Made:
    return Made(source=sample, before=before, after=after, drawn=sample)


def test_the_true_counterfactual_has_what_the_new_words_say_and_nothing_else():
    sample = next(s for s in DATA.splits["test"].samples if scene_at(s.image.place).surface != "room")
    scene = scene_at(sample.image.place)
    before = caption(scene)
    after = before.replace(before[before.index(" in ") :], " in fog at night")
    true = true_counterfactual(made(before, after, sample))
    assert true is not None
    new = scene_at(true.image.place)
    assert (new.weather, new.time) == ("fog", "night")
    assert (new.kind, new.colour, new.surface, new.seed) == (scene.kind, scene.colour, scene.surface, scene.seed)
    assert true_changes("a red car by day", "a blue car by day") == {"colour": "blue"}
    assert true_counterfactual(made(before, before, sample)) is None


def test_an_edit_of_several_words_of_one_kind_is_one_edit():
    edits = (
        Edit(kind="weather", old="in the rain", new="in bright sunshine"),
        Edit(kind="weather", old="wet", new="dry"),
    )
    sample = DATA.splits["test"].samples[0]
    one = Counterfactual(
        made=made("", "", sample),
        rewriting=Rewriting(caption="", edits=edits),
        verdict=Verdict(scores={}, reasons=("why",)),
    )
    assert (one.kind, one.counts) == ("weather", False)
    assert "," not in one.value


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("zoo:diorama/classifier", "zoo:diorama/classifier"),
        ("owner/model", "owner/model"),
        ("/anywhere/runs/mine/model", "mine"),
        ({"name": "/anywhere/net.onnx", "scores": "logits"}, "net.onnx"),
    ],
)
def test_a_page_calls_a_model_by_its_own_name(model: Any, name: str):
    assert called(model) == name
