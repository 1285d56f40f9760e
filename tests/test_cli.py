"""The command line from end to end, on small data."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from command_line import call
from counterfactory import __version__
from counterfactory.cli.output import first_table
from counterfactory.cli.session import with_models_of_runs
from counterfactory.plugins import JOBS, recipe_names
from counterfactory.recipes.dime import Dime
from counterfactory.types import Report, Table

DATA = "diorama:train=40,validation=20,test=20"
QUICK = ("--set", "classifier.steps=4", "--set", "classifier.evaluate_every=2", "--set", "classifier.batch_size=8")
BASELINE = ("--recipe", "baseline", "--shots", "2", "--set", "augmentations=none,standard", *QUICK)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def baseline(workspace):
    """One finished run that several tests look at."""
    import subprocess
    import sys

    words = ["augment", DATA, *BASELINE, "--seeds", "0,1", "--workspace", str(workspace), "--name", "base", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "counterfactory", *words], capture_output=True, text=True, check=True, timeout=110
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_a_job_says_where_its_run_and_its_page_are(baseline, workspace):
    assert baseline["run"] == str(workspace / "base")
    assert baseline["report"] == str(workspace / "base" / "report" / "index.html")
    assert baseline["images"] == baseline["failed"] == 0
    assert baseline["seconds"] > 0
    assert set(baseline["numbers"]) == {
        f"{method} on {split}" for method in ("none", "standard") for split in ("test", "test-unusual", "test-uniform")
    }


def test_the_page_has_the_table_with_intervals_and_the_pictures(baseline):
    page = Path(baseline["report"]).read_text(encoding="utf-8")
    assert "Gain over none" in page
    assert "±" in page
    assert "data:image/" in page


def test_the_same_command_again_ends_at_once_with_the_same_numbers(baseline, workspace, capsys):
    again = call(
        capsys, "augment", DATA, *BASELINE, "--seeds", "0,1", "--workspace", workspace, "--name", "base", "--json"
    )
    assert again.code == 0
    assert again.json["numbers"] == baseline["numbers"]
    assert "known before" not in again.err
    assert again.json["seconds"] < baseline["seconds"]


def test_another_seed_pays_only_for_itself(baseline, workspace, capsys):
    more = call(capsys, "augment", DATA, *BASELINE, "--seeds", "0", "--workspace", workspace, "--json")
    assert more.code == 0
    assert "train 1/" not in more.err


def test_a_run_keeps_its_resolved_config_which_gives_the_same_run(baseline, workspace, capsys):
    config = workspace / "base" / "run.yaml"
    said = yaml.safe_load(config.read_text())["config"]
    assert said["shots"] == 2
    assert said["classifier"]["steps"] == 4
    again = call(capsys, "augment", DATA, "--config", config, "--workspace", workspace, "--name", "base", "--json")
    assert again.json["numbers"] == baseline["numbers"]


def test_a_run_without_a_name_is_named_after_recipe_data_and_settings(workspace, capsys):
    names = []
    for steps in (3, 4):
        done = call(
            capsys, "augment", DATA, *BASELINE, "--seed", 0, "--set", f"classifier.steps={steps}",
            "--workspace", workspace, "--json",
        )  # fmt: skip
        names.append(done.json["run"].rsplit("/", 1)[-1])
    assert all(name.startswith("baseline-diorama-") for name in names)
    assert len(set(names)) == 2


def test_train_leaves_a_model_that_transformers_loads_and_evaluate_measures(workspace, capsys):
    from transformers import AutoModelForImageClassification

    trained = call(
        capsys,
        "train",
        DATA,
        "--set",
        "classifier.epochs=null",
        *QUICK,
        "--workspace",
        workspace,
        "--name",
        "model",
        "--json",
    )
    assert trained.code == 0, trained.err
    model = AutoModelForImageClassification.from_pretrained(workspace / "model" / "model")
    assert model.config.id2label[0] == "car"
    measured = call(capsys, "evaluate", "model", DATA, "--workspace", workspace, "--json")
    assert measured.code == 0, measured.err
    assert measured.json["numbers"]["accuracy on test"] == trained.json["numbers"]["accuracy on test"]


@pytest.mark.parametrize("file", ["config.json", "model_index.json"])
def test_a_run_by_name_or_folder_stands_for_its_model(tmp_path, monkeypatch, file):
    model = tmp_path / "runs" / "pixels" / "model"
    model.mkdir(parents=True)
    (model / file).write_text("{}")
    monkeypatch.chdir(tmp_path)
    for name in ("pixels", "runs/pixels", str(tmp_path / "runs" / "pixels"), str(model)):
        found = with_models_of_runs(Dime(model="zoo:diorama/classifier", denoiser=name), Path("runs"))
        assert (found.denoiser, found.model, found.opinion) == (str(model), "zoo:diorama/classifier", None)


def test_evaluate_names_the_nearest_model(workspace, baseline, capsys):
    answer = call(capsys, "evaluate", "modl", DATA, "--workspace", workspace)
    assert answer.code == 2
    assert "Unknown model 'modl'" in answer.err


def test_the_json_line_holds_the_table_with_its_intervals(baseline):
    none, standard = baseline["tables"]["Accuracy"]
    assert (none["method"], standard["method"]) == ("none", "standard")
    assert none["test"]["low"] <= none["test"]["mean"] <= none["test"]["high"]
    assert none["test"]["n"] == 2


def test_a_name_that_stands_for_other_work_is_not_mixed_with_it(baseline, workspace, capsys):
    answer = call(capsys, "train", DATA, *QUICK, "--workspace", workspace, "--name", "base")
    assert answer.code == 2
    assert "is there already, with another job" in answer.err


def test_runs_are_listed(baseline, workspace, capsys):
    assert "base" in call(capsys, "runs", "--workspace", workspace).out
    listed = call(capsys, "runs", "--workspace", workspace, "--json").json
    assert "base" in {run["name"] for run in listed["runs"]}


def test_a_page_is_written_again_from_what_the_run_kept(baseline, workspace, capsys):
    page = workspace / "base" / "report" / "index.html"
    before = page.read_bytes()
    page.unlink()
    assert call(capsys, "report", "base", "--workspace", workspace, "--json").json["report"] == str(page)
    assert page.read_bytes() == before


@pytest.mark.parametrize("form", ["imagefolder", "parquet", "webdataset", "csv"])
def test_a_run_is_exported(baseline, workspace, tmp_path, capsys, form):
    done = call(
        capsys, "export", "base", "--format", form, "--out", tmp_path / "out", "--workspace", workspace, "--json"
    )
    assert done.code == 0, done.err
    assert list((tmp_path / "out").rglob("*"))


def test_an_export_is_read_back_with_the_same_images(baseline, workspace, tmp_path, capsys):
    call(capsys, "export", "base", "--out", tmp_path / "out", "--workspace", workspace)
    found = call(capsys, "inspect", tmp_path / "out", "--json").json
    assert found["splits"] == {"train": 20, "validation": 20}
    assert len(found["classes"]) == 10


def test_inspect_counts_classes_and_splits(capsys):
    answer = call(capsys, "inspect", DATA)
    assert answer.code == 0
    assert "10 classes" in answer.out
    assert call(capsys, "inspect", DATA, "--json").json["splits"]["train"] == 40


def test_diorama_writes_a_folder_that_inspect_reads(tmp_path, capsys):
    done = call(capsys, "diorama", tmp_path / "world", "--num", 20, "--json")
    assert done.code == 0, done.err
    assert done.json["images"]["train"] == 20
    assert call(capsys, "inspect", tmp_path / "world", "--json").json["splits"]["train"] == 20


def test_recipes_schema_models_and_doctor_answer(workspace, capsys):
    listed = call(capsys, "recipes", "--json").json["recipes"]
    assert {"job": "augment", "recipe": "baseline"}.items() <= listed[0].items()
    schema = call(capsys, "schema", "baseline", "--json").json
    assert {"shots", "seeds", "classifier", "data", "device"} <= set(schema["properties"])
    whole = call(capsys, "schema", "--json").json
    named = set(re.findall(r"#/\$defs/(\w+)", json.dumps(whole)))
    assert named
    assert named <= set(whole["$defs"])
    assert call(capsys, "models", "--workspace", workspace).code == 0
    assert call(capsys, "doctor", "--workspace", workspace, "--json").json["torch"]["ok"]


def test_prune_tells_before_it_deletes_and_keeps_what_other_runs_need(tmp_path, capsys):
    for seeds in ("0", "0,1"):
        done = call(
            capsys, "augment", DATA, *BASELINE, "--seeds", seeds, "--workspace", tmp_path, "--name", f"run{len(seeds)}"
        )
        assert done.code == 0, done.err
    told = call(capsys, "prune", "run3", "--workspace", tmp_path, "--json").json
    assert told["deleted"] is False
    assert (tmp_path / "run3").exists()
    gone = call(capsys, "prune", "run3", "--workspace", tmp_path, "--yes", "--json").json
    assert gone["models"] == told["models"] == 2
    assert not (tmp_path / "run3").exists()
    again = call(capsys, "augment", DATA, *BASELINE, "--seeds", "0", "--workspace", tmp_path, "--name", "run1")
    assert "train 1/" not in again.err


def test_every_job_has_a_recipe_and_is_shown(capsys):
    helped = call(capsys, "--help").out
    assert all(recipe_names(job) and f"  {job}" in helped for job in JOBS)


def test_the_version_is_an_answer_and_no_command_a_question(capsys):
    answer = call(capsys, "--version")
    assert (answer.code, answer.out) == (0, f"counterfactory {__version__}\n")
    helped = call(capsys, "--help")
    assert "--version" in helped.out
    assert "What generative models can add" in helped.out
    alone = call(capsys)
    assert "Commands:" in alone.out + alone.err


def test_a_finished_run_that_is_given_again_keeps_when_it_was_done(tmp_path, capsys):
    words = ("augment", DATA, *BASELINE, "--seed", 0, "--workspace", tmp_path, "--name", "mine")
    assert "train 2/2: standard, seed 0" in call(capsys, *words).err
    record = tmp_path / "mine" / "run.yaml"
    first = record.read_bytes()
    assert call(capsys, *words).code == 0
    assert record.read_bytes() == first
    for model in (tmp_path / "artifacts").glob("*/"):
        model.rename(model.with_name(f"{model.name}.away"))
    assert call(capsys, *words).code == 0
    assert record.read_bytes() != first


def test_a_long_table_is_cut_in_the_terminal_and_says_where_the_rest_is():
    table = Table(title="slices", columns=("n",), rows=tuple((n,) for n in range(63)))
    lines = first_table(Report(title="stress", tables=(table,)))
    assert lines[20:22] == ["19", "... and 43 more rows on the page."]
    assert not any(
        "more rows" in line for line in first_table(Report(title="", tables=(replace(table, rows=((1,),)),)))
    )
