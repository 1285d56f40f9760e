"""`prune` deletes what no run names, and nothing that any run named, whatever became of that run."""

import os
import subprocess
import sys
import threading

import pytest

from command_line import call
from counterfactory.errors import BadConfig, DiskTrouble, RunBusy
from counterfactory.names import ModelName
from counterfactory.prune import prune, run_folders
from counterfactory.run import Run, beginning
from counterfactory.types import Dataset, Request, Sample
from counterfactory.worker import Worker
from steps_for_tests import Mean, Multiply, Noise

KILLED = """
import os, signal, sys
from pathlib import Path
from steps_for_tests import Multiply
from counterfactory.run import Run
from counterfactory.worker import Worker
folder = Path(sys.argv[1])
Run(folder / "run", Worker(workspace=folder)).map(Multiply(), range(int(sys.argv[2])))
os.kill(os.getpid(), signal.SIGKILL)
"""


class ByModel(Multiply):
    """A step that uses a model."""

    model: ModelName


def opened(folder, name="run"):
    return Run(folder / name, Worker(workspace=folder, processes=1))


def results(folder):
    """How many results a workspace has."""
    with opened(folder, "counting") as run:
        (count,) = run.store.db.execute("select count(*) from results").fetchone()
    return count


def fitted(run):
    """A model of one picture, and the picture's sample."""
    (sample,) = run.map(Noise(), [Request(prompt="x", seed=1, label=0)])
    return run.fit(Mean(), train=Dataset(samples=(Sample(image=sample.image, target=0),), classes=("a",)))


def test_what_a_deleted_run_alone_needed_goes_and_the_rest_stays(tmp_path):
    for name, count in (("long", 9), ("short", 3)):
        with opened(tmp_path, name) as run:
            run.map(Multiply(), range(count))
    told = prune(tmp_path, [tmp_path / "long"], dry=True)
    assert (tmp_path / "long").exists()
    assert prune(tmp_path, [tmp_path / "long", tmp_path / "long"], dry=False) == told
    assert told == {"runs": 1, "results": 6, "images": 0, "models": 0, "fragments": 0}
    assert run_folders(tmp_path) == [tmp_path / "short"]
    assert results(tmp_path) == 3


def test_a_run_of_another_workspace_is_refused(tmp_path):
    for workspace in ("mine", "yours"):
        with opened(tmp_path / workspace) as run:
            run.map(Multiply(), range(3))
    for stranger in (tmp_path / "yours" / "run", tmp_path / "mine" / "blobs", tmp_path / "mine", tmp_path):
        with pytest.raises(BadConfig, match="is not a run of"):
            prune(tmp_path / "mine", [stranger], dry=False)
    assert (tmp_path / "yours" / "run").exists()
    assert (results(tmp_path / "mine"), results(tmp_path / "yours")) == (3, 3)


def test_the_command_line_takes_a_run_without_a_record_but_none_of_another_workspace(tmp_path, capsys):
    for workspace in ("mine", "yours"):
        with opened(tmp_path / workspace) as run:
            run.map(Multiply(), range(3))
    answer = call(capsys, "prune", tmp_path / "yours" / "run", "--workspace", tmp_path / "mine", "--yes")
    assert answer.code == 2
    assert "is not a run of" in answer.err
    assert "run has no run.yaml" in call(capsys, "runs", "--workspace", tmp_path / "mine").out
    gone = call(capsys, "prune", "run", "--workspace", tmp_path / "mine", "--yes", "--json").json
    assert (gone["runs"], gone["results"]) == (1, 3)
    assert run_folders(tmp_path / "yours") == [tmp_path / "yours" / "run"]


def test_a_workspace_that_is_a_file_is_told(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(DiskTrouble, match="expected a folder"):
        prune(tmp_path / "runs", [], dry=True)


def test_a_workspace_that_is_not_there_is_told_and_not_made(tmp_path):
    with pytest.raises(BadConfig, match="There is no workspace"):
        prune(tmp_path / "nope", [], dry=True)
    (tmp_path / "photographs").mkdir()
    with pytest.raises(BadConfig, match="There is no workspace"):
        prune(tmp_path / "photographs", [], dry=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["photographs"]


def test_two_kills_lose_nothing(tmp_path):
    with opened(tmp_path) as run:
        run.map(Multiply(), range(100, 110))
    for count in (50, 5):
        command = [sys.executable, "-c", KILLED, str(tmp_path), str(count)]
        assert subprocess.run(command, cwd=os.path.dirname(__file__), check=False).returncode < 0
    run = opened(tmp_path)
    run.map(Multiply(), range(2))
    run.close()  # and a third that stops half way
    assert prune(tmp_path, [], dry=False)["results"] == 0
    assert results(tmp_path) == 60


def test_half_a_key_that_a_kill_left_spoils_no_other(tmp_path):
    with opened(tmp_path) as run:
        run.map(Multiply(), range(4))
    whole = tmp_path / "run" / "used.keys"
    (tmp_path / "run" / "used.keys.part").write_bytes(whole.read_bytes()[:40])
    whole.unlink()
    run = opened(tmp_path)
    run.map(Multiply(), [3])
    run.close()
    assert prune(tmp_path, [], dry=False)["results"] == 1
    assert results(tmp_path) == 3


def test_a_run_whose_record_is_missing_keeps_its_results(tmp_path):
    with opened(tmp_path) as run:
        run.map(Multiply(), range(3))
    assert not (tmp_path / "run" / "run.yaml").exists()
    assert prune(tmp_path, [], dry=False)["results"] == 0
    assert results(tmp_path) == 3


def test_a_run_that_has_only_begun_is_seen(tmp_path):
    with opened(tmp_path) as run:
        with pytest.raises(RunBusy, match="working in"):
            prune(tmp_path, [], dry=False)
        run.map(Multiply(), range(3))
    assert prune(tmp_path, [], dry=False)["results"] == 0


def test_no_run_begins_while_prune_deletes(tmp_path):
    begun = threading.Event()

    def begin():
        with opened(tmp_path):
            begun.set()

    thread = threading.Thread(target=begin)
    with beginning(tmp_path):
        thread.start()
        assert not begun.wait(0.3)
        assert run_folders(tmp_path) == []
    assert begun.wait(10)
    thread.join()


def test_after_prune_every_run_may_go_on_also_when_it_was_refused(tmp_path):
    opened(tmp_path, "a").close()
    with opened(tmp_path, "b"), pytest.raises(RunBusy) as refusal:
        prune(tmp_path, [], dry=False)
    opened(tmp_path, "a").close()
    prune(tmp_path, [], dry=False)
    opened(tmp_path, "a").close()
    assert refusal.traceback  # still alive here, and with it whatever it refers to


def test_models_and_pictures_go_and_what_the_system_left_among_them_stays(tmp_path):
    with opened(tmp_path) as run:
        artifact = fitted(run)
        (sample,) = run.map(Noise(), [Request(prompt="x", seed=1, label=0)])
        blob = run.worker.blobs.path(sample.image.digest)
    strangers = [tmp_path / "artifacts" / ".DS_Store", blob.parent / ".DS_Store", blob.parent / "Thumbs.db"]
    for path in strangers:
        path.write_bytes(b"")
    fragment = blob.parent / ".part-1"
    fragment.write_bytes(b"half")
    assert prune(tmp_path, [], dry=False) == {"runs": 0, "results": 0, "images": 0, "models": 0, "fragments": 1}
    assert not fragment.exists()
    gone = prune(tmp_path, [tmp_path / "run"], dry=False)
    assert gone == {"runs": 1, "results": 2, "images": 1, "models": 1, "fragments": 0}
    assert not blob.exists()
    assert not list((tmp_path / "artifacts").glob(f"{artifact.key}*"))
    assert all(path.exists() for path in strangers)


def test_a_model_stays_that_another_run_knows_by_its_folder(tmp_path):
    with opened(tmp_path, "learnt") as run:
        folder = run.worker.artifact(fitted(run))
    with opened(tmp_path, "drawn") as run:
        run.map(ByModel(model=str(folder)), [1])
    assert prune(tmp_path, [tmp_path / "learnt"], dry=False)["models"] == 0
    assert prune(tmp_path, [tmp_path / "drawn"], dry=False)["models"] == 1


def test_a_picture_that_a_kept_result_names_stays(tmp_path):
    with opened(tmp_path) as run:
        (sample,) = run.map(Noise(), [Request(prompt="x", seed=1, label=0)])
    assert prune(tmp_path, [], dry=False)["images"] == 0
    assert sample.image.digest in Worker(workspace=tmp_path).blobs
