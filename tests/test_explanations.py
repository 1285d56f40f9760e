"""Explanations of a run: published, read back, measured, exported and shown."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from command_line import call
from counterfactory.classify.models import SmallResNet
from counterfactory.classify.networks import build as build_network
from counterfactory.classify.networks import said, seeded
from counterfactory.classify.saved import save
from counterfactory.cli.workspace import explanations_of
from counterfactory.data.read import read
from counterfactory.errors import BadData
from counterfactory.metrics.explanations import mean_distance
from counterfactory.metrics.statistics import enough
from counterfactory.recipes.explain_report import explain_report
from counterfactory.recipes.explained import Answers, explained
from counterfactory.recipes.explained_data import published, read_back
from counterfactory.recipes.explanation_measures import Measure
from counterfactory.recipes.explanations import Explanations
from counterfactory.recipes.explanations_report import taken, worth_report
from counterfactory.recipes.export_dime import export
from counterfactory.recipes.job import build
from counterfactory.record import Record, write_record
from counterfactory.report.page import render
from counterfactory.run import Run
from counterfactory.types import Dataset, Explanation, Interval, Question, Sample
from explanations import explanations, opened, scenes


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of twelve explanations, of which one did not flip."""
    folder = tmp_path_factory.mktemp("runs")
    with opened(folder) as run:
        data = scenes(12)
        run.publish(published(explanations(run, data, traced=True), data.splits["test"]))
    return folder


def measured(workspace: Path, **said: object) -> dict[str, dict[str, tuple[object, ...]]]:
    with opened(workspace, "measured") as run:
        report = Explanations.default().model_copy(update=said).run(run, read(str(workspace / "made" / "data")))
    return {table.title: {row[0]: row[1:] for row in table.rows} for table in report.tables}


def test_explanations_come_back_as_they_were_published(workspace: Path):
    back = read_back(read(str(workspace / "made" / "data")))
    with opened(workspace, "again") as run:
        made = explanations(run, scenes(12), traced=True)
    assert [one.facts for one in back] == [dict(one.facts) for one in made]
    for name in ("start", "difference", "trace"):
        assert [getattr(one, name) for one in back] == [getattr(one, name) for one in made]
    assert [one.source.image for one in back] == [one.source.image for one in made]


def test_what_holds_no_explanations_says_so():
    with pytest.raises(BadData, match="holds no explanations"):
        read_back(scenes(2))


def test_every_number_that_the_zoo_allows_is_taken_and_the_others_say_what_they_need(workspace: Path):
    reference = ("diorama:train=300,validation=1,test=1",)
    said = measured(workspace, model="zoo:diorama/classifier", reference=reference, faces="zoo:diorama/clip")
    worth = said["What the explanations are worth"]
    assert worth["flip rate, %"][1].mean == pytest.approx(100 * 11 / 12)
    assert worth["seen as wanted by the judge, %"][0].mean > 80
    assert worth["MNAC without the asked by the judge"][0].mean < 0.5
    assert worth["COUT ↑"][0].mean > 0.3
    assert worth["FVA, %"][0].n == 11
    assert worth["CD by the judge"][0].mean > 0
    assert (worth["CD by the judge"][0].low >= 0, worth["CD by the judge"][0].n) == (True, 11)
    assert all(np.isfinite(one.mean) for row in worth.values() for one in row[:2] if one)
    assert set(said["Not taken"]) == {"S3", "sigma_L"}
    assert len(said["Correlation difference by the judge"]) > 1


def test_without_models_it_says_which_to_give(workspace: Path):
    said = measured(workspace, encoder=None, judge=None)
    assert list(said["What the explanations are worth"]) == ["flip rate, %", "L1", "L2"]
    assert "--set faces=MODEL" in said["Not taken"]["FVA, face similarity"][0]


def test_the_zoos_models_are_left_aside_where_the_data_are_not_diorama_and_that_is_said(workspace: Path):
    data = read(str(workspace / "made" / "data"))
    sources = tuple(replace(sample, attributes={}) for sample in data.splits["original"].samples)
    plain = {**data.splits, "original": replace(data.splits["original"], samples=sources)}
    with opened(workspace, "measured") as run:
        report = Explanations.default().run(run, replace(data, splits=plain))
    lacking = dict(report.tables[-1].rows)
    assert "the zoo's knows Diorama alone" in lacking["FID, sFID, KID, perceptual distance, sigma_L"]
    assert "the zoo's judge reads Diorama alone" in lacking["MNAC, CD"]


def test_runs_of_the_same_images_have_a_spread(workspace: Path):
    with opened(workspace, "second") as run:  # in which two more did not flip
        data = scenes(12)
        run.publish(published(explanations(run, data, held=3), data.splits["test"]))
    for further in (workspace / "second", workspace / "second" / "data"):
        found = measured(workspace, judge=None, runs=(str(further),))["What the explanations are worth"]["sigma_L"][1]
        assert (found.mean > 0, found.n) == (True, 12)


@pytest.mark.parametrize(("further", "reason"), [("made", "two of these hold the same"), ("none", "nothing at")])
def test_what_is_no_further_run_costs_the_spread_alone(workspace: Path, further: str, reason: str):
    said = measured(workspace, judge=None, runs=(str(workspace / further),))
    assert reason in said["Not taken"]["sigma_L"][0]
    assert "FID ↓" in said["What the explanations are worth"]


def test_an_oracle_of_one_class_an_image_is_refused(workspace: Path):
    said = measured(workspace, encoder=None, judge=None, oracle="zoo:diorama/classifier")
    assert "tells one class an image" in said["Not taken"]["MNAC by the oracle"][0]


def test_a_model_that_cannot_be_opened_costs_its_own_numbers_alone(workspace: Path):
    said = measured(workspace, encoder=None, judge=None, oracle="zoo:diorama/clip", reference=("diorama:train=9",))
    assert "made for another task" in said["Not taken"]["CD by the oracle"][0]
    assert "flip rate, %" in said["What the explanations are worth"]


def test_attributes_are_asked_for_as_there_or_not():
    sample = Sample(image=scenes(1).splits["test"].samples[0].image, target=(1, 0))
    data = Dataset(samples=(sample,), classes=("smiling", "young"), task="multi-label")
    answers = Answers(names=("young", "smiling"), several=True)
    question = Question(image=sample.image, wanted=1, present=False)
    assert answers.label(sample, question, data) == "smiling"
    assert answers.said((0.9, 0.2), question) == "not smiling"
    assert answers.sure((0.9, 0.2), question) == pytest.approx(0.8)
    assert answers.label(replace(sample, target=(None, 0)), question, data) is None


@pytest.mark.parametrize(("young", "smiling"), [(0.9, 0.2), (0.1, 0.8)])
def test_a_counterfactual_of_an_attribute_is_labelled_as_it_is_answered(tmp_path: Path, young: float, smiling: float):
    sample = replace(scenes(1).splits["test"].samples[0], target=(1, None))
    data = Dataset(samples=(sample,), classes=("smiling", "young"), task="multi-label")
    case, answers = (sample, Question(image=sample.image, wanted=1)), Answers(names=("young", "smiling"), several=True)
    with opened(tmp_path) as run:
        [one] = explained(run, [case], [answered(sample, (young, smiling))], answers, data)
    assert one.changed.target == (int(smiling > 0.5), None)


def test_a_counterfactual_of_a_class_that_the_data_lack_has_no_label(tmp_path: Path):
    data = scenes(1).splits["test"]
    [sample] = data.samples
    names = (*data.classes, "purple")
    question = Question(image=sample.image, wanted=len(data.classes))
    with opened(tmp_path) as run:
        said = tuple(float(name == "purple") for name in names)
        made = explained(run, [(sample, question)], [answered(sample, said)], Answers(names=names), data)
        run.publish(published(made, data))
    [back] = read_back(read(str(tmp_path / "made" / "data")))
    assert (back.source.target, back.changed.target) == (sample.target, None)


def answered(sample: Sample, after: tuple[float, ...]) -> Explanation:
    """An explanation that changed no pixel."""
    return Explanation(sample=sample, start=sample.image, before=after, after=after, flipped=True, scale=1.0, tries=1)


def test_the_published_folder_tree_holds_every_explanation(workspace: Path, tmp_path: Path):
    out = export(workspace / "made" / "data", tmp_path / "dime", (told := []).append)
    assert told == []
    results = out / "Results" / "counterfactory"
    flipped, held = results / "CC" / "CCF", results / "CC" / "ICF"
    assert len(list((out / "Original" / "Correct").iterdir())) == 12
    for name in ("CF", "Noise", "SM", "Info"):
        assert (len(list((flipped / name).iterdir())), len(list((held / name).iterdir()))) == (11, 1)
        assert not list((results / "IC" / "CCF" / name).iterdir())
    with Image.open(flipped / "SM" / "0000001.png") as shown:
        assert shown.size == (64, 64)
    facts = dict(line.split(": ") for line in (flipped / "Info" / "0000001.txt").read_text().splitlines())
    assert list(facts) == ["label", "pred", "target", "cf pred", "BKL", "l_1"]
    assert facts["label"] == facts["pred"] != facts["target"] == facts["cf pred"]
    assert float(facts["BKL"]) == pytest.approx(0.05)
    original, changed = (
        np.asarray(Image.open(path).convert("RGB"), float)
        for path in (out / "Original" / "Correct" / "0000001.png", flipped / "CF" / "0000001.png")
    )
    assert float(facts["l_1"]) == pytest.approx(np.abs(original - changed).mean() / 255)


def test_the_tree_numbers_answers_without_labels_and_says_that_these_lack(tmp_path: Path):
    [sample] = scenes(1).splits["test"].samples
    bare, told = replace(sample, target=None), []
    data = Dataset(samples=(bare,), classes=(), task="single-label")
    one = replace(answered(bare, (0.0, 1.0)), before=(1.0, 0.0))
    case = (bare, Question(image=bare.image, wanted=1))
    with opened(tmp_path) as run:
        run.publish(published(explained(run, [case], [one], Answers(names=("red", "green")), data), data))
    out = export(tmp_path / "made" / "data", tmp_path / "dime", told.append)
    [info] = out.rglob("Info/*.txt")
    assert info.read_text().splitlines()[:4] == ["label: -1", "pred: 1", "target: 0", "cf pred: 0"]
    assert told == ["1 of 1 sources lack a label: they stand among the incorrect, whatever they are."]


def test_what_did_not_change_has_a_black_map(workspace: Path, tmp_path: Path):
    out = export(workspace / "made" / "data", tmp_path / "dime", print)
    assert not np.asarray(Image.open(out / "Results/counterfactory/CC/ICF/SM/0000000.png")).any()


def test_the_page_shows_each_explanation_with_its_differences_and_steps(workspace: Path):
    with opened(workspace, "shown") as run:
        page = shown_page(run, workspace)
    data = json.loads(page.split('id="pictures">')[1].split("</script>")[0])
    first = data["galleries"][0][0]
    assert {first["source"], first["difference"], first["image"], *first["steps"]} <= set(data["images"])
    assert len(first["steps"]) == 6
    assert first["changed"].endswith("→ 95 %")
    regions = data["galleries"][1]
    assert "→" in regions[0]["label"]
    assert regions[0]["difference"] is None


def shown_page(run: Run, workspace: Path) -> str:
    made = read_back(read(str(workspace / "made" / "data")))
    return render(explain_report(run, "Explanations", ["Fast mode."], made), run.worker.pixels, {"run": "made"})


def record(workspace: Path, job: str, name: str) -> None:
    config = {"recipe": "dime", "data": ["diorama:train=300,validation=1,test=1"], "model": "zoo:diorama/classifier"}
    given = {"command": "", "version": "0", "started": "2026-01-01T00:00:00+00:00"}
    write_record(workspace / name, Record(name=name, job=job, config=config, **given))


def test_evaluate_measures_a_run_of_explanations_by_its_name(workspace: Path, capsys: pytest.CaptureFixture[str]):
    record(workspace, "explain", "made")
    quick = ("--set", "encoder=null", "--set", "judge=null", "--set", "model=null", "--json")
    said = call(capsys, "evaluate", "made", "--workspace", workspace, *quick)
    assert said.code == 0, said.err
    assert said.json["numbers"]["flip rate, %"]["n"] == 12
    assert "Explanations of made" in Path(said.json["report"]).read_text(encoding="utf-8")
    assert Path(said.json["run"]).name.startswith("explanations-made-")


def test_what_is_measured_and_exported_comes_from_the_runs_record(workspace: Path, capsys: pytest.CaptureFixture[str]):
    record(workspace, "explain", "made")
    given = explanations_of(workspace, "made")["unless_said"]
    assert given["model"] == "zoo:diorama/classifier"
    assert given["reference"] == ["diorama:train=300,validation=1,test=1"]
    said = call(capsys, "export", "made", "--format", "dime", "--workspace", workspace, "--json")
    assert (Path(said.json["out"]) / "Original" / "Correct" / "0000011.png").exists()


def test_what_a_person_says_lies_over_what_the_run_was_given(workspace: Path, tmp_path: Path):
    record(workspace, "explain", "made")
    given = {"job": "evaluate", **explanations_of(workspace, "made")}
    (tmp_path / "said.yaml").write_text("model: theirs/model")
    usual: Any = build(given, None, [], None)[1]
    other: Any = build(given, tmp_path / "said.yaml", ["reference=faces", "labels.a=b"], None)[1]
    assert (usual.model, usual.reference) == ("zoo:diorama/classifier", ("diorama:train=300,validation=1,test=1",))
    assert (other.model, other.reference, other.labels) == ("theirs/model", ("faces",), {"a": "b"})


def test_a_run_of_another_job_is_measured_on_data(workspace: Path, capsys: pytest.CaptureFixture[str]):
    (workspace / "other").mkdir()
    record(workspace, "train", "other")
    said = call(capsys, "evaluate", "other", "--workspace", workspace)
    assert said.code == 2
    assert "not of `explain`" in said.err


def test_an_oracle_that_does_not_read_what_was_asked_costs_these_numbers_alone(workspace: Path, tmp_path: Path):
    names = ("Smiling", "Young")
    with seeded("cpu", 0):
        network = build_network(SmallResNet(width=8, blocks=1), names, "multi-label", (16, 16))
    save(network, said(names, "multi-label"), 1.0, tmp_path / "oracle")
    tables = measured(workspace, oracle=str(tmp_path / "oracle"))
    assert "MNAC by the oracle" in tables["What the explanations are worth"]
    for name in ("MNAC without the asked by the oracle", "seen as wanted by the oracle, %"):
        assert "needs an oracle that reads 'class', and this one reads Smiling, Young" in tables["Not taken"][name][0]


def _mean(count: int) -> Interval:
    enough(count, 2, "L1")
    return mean_distance([1.0] * count)


def test_a_number_of_another_group_than_usual_says_so():
    one = Measure(name="L1", take=lambda group: _mean(len(group)), says="")
    found = taken(one, {"flips": [object()], "all": [object()] * 3})
    report = worth_report("it", {"flips": [object()], "all": [object()] * 3}, [found], [], [])
    assert list(report.numbers) == ["L1 (all)"]
    assert report.summary[-1].startswith("L1: of the group 'flips': L1 needs 2 images")
