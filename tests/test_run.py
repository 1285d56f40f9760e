"""A run does each thing once, keeps what worked, and tells what did not."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from counterfactory.errors import BadConfig, DiskTrouble, RunBusy, TooManyFailures
from counterfactory.pixels import encode_png
from counterfactory.run import Run, Silent, UsedKeys, locked
from counterfactory.testing import EngineContract, StepContract, TrainerContract
from counterfactory.types import Address, Dataset, Failed, Request, Sample, succeeded
from counterfactory.worker import Worker
from steps_for_tests import Mean, Multiply, Noise, Picky


class TestMultiply(StepContract):
    def step(self):
        return Multiply(factor=3)

    def items(self):
        return [5, 1, 4, 2]


class TestNoise(EngineContract):
    def step(self):
        return Noise()


class TestMean(TrainerContract):
    def trainer(self):
        return Mean(scale=2.0)

    def datasets(self, folder):
        worker = Worker(workspace=folder)
        images = (encode_png(Image.new("RGB", (8, 8), colour)) for colour in ("red", "blue"))
        samples = tuple(Sample(image=Address(worker.blobs.put(data)), target=i) for i, data in enumerate(images))
        for sample in samples:  # where any workspace finds them
            (folder / sample.image.digest).write_bytes(worker.blobs.get(sample.image.digest))
        placed = tuple(
            Sample(image=Address(s.image.digest, f"file:{folder / s.image.digest}"), target=s.target) for s in samples
        )
        return {"train": Dataset(samples=placed, classes=("red", "blue"))}


def opened(folder, name="run", **options):
    return Run(folder / name, Worker(workspace=folder, batch_size=4, processes=1), **options)


def calls(monkeypatch):
    """Every item that `Multiply` is really given."""
    seen = []

    def load(self, worker):
        return lambda numbers: [seen.append(n) or self.factor * n for n in numbers]

    monkeypatch.setattr(Multiply, "load", load)
    return seen


def test_results_come_in_the_order_of_the_items_also_with_repeats(tmp_path):
    with opened(tmp_path) as run:
        results = run.map(Multiply(), [3, 1, 3, 2])
        assert list(results) == [6, 2, 6, 4]
        assert results[1] == 2
        assert results[-1] == 4
        assert results[1:3] == [2, 6]
        assert list(results) == [6, 2, 6, 4]


def test_an_item_is_done_once_in_a_workspace_whatever_the_run(tmp_path, monkeypatch):
    seen = calls(monkeypatch)
    with opened(tmp_path, "one") as run:
        run.map(Multiply(), range(10))
    with opened(tmp_path, "two") as run:
        assert list(run.map(Multiply(), range(12))) == [2 * n for n in range(12)]
    assert sorted(seen) == list(range(12))


def test_another_field_is_other_work(tmp_path, monkeypatch):
    seen = calls(monkeypatch)
    with opened(tmp_path) as run:
        run.map(Multiply(factor=2), [1])
        assert list(run.map(Multiply(factor=3), [1])) == [3]
    assert seen == [1, 1]


def test_the_number_format_is_part_of_the_identity(tmp_path, monkeypatch):
    seen = calls(monkeypatch)
    for dtype in ("float32", "bfloat16"):
        with Run(tmp_path / "run", Worker(workspace=tmp_path, dtype=dtype)) as run:
            run.map(Multiply(), [1])
    assert seen == [1, 1]


def test_deterministic_mode_always_gives_a_step_the_same_number_of_items(tmp_path, monkeypatch):
    sizes = []

    def load(self, worker):
        return lambda numbers: sizes.append(len(numbers)) or [self.factor * n for n in numbers]

    monkeypatch.setattr(Multiply, "load", load)
    with Run(tmp_path / "run", Worker(workspace=tmp_path, batch_size=4, deterministic=True)) as run:
        assert list(run.map(Multiply(), range(6))) == [0, 2, 4, 6, 8, 10]
    assert sizes == [4, 4]


def test_a_step_that_wants_many_items_at_once_is_given_them_and_no_step_fewer_than_the_worker_s(tmp_path, monkeypatch):
    sizes = []

    def load(self, worker):
        return lambda numbers: sizes.append(len(numbers)) or [self.factor * n for n in numbers]

    monkeypatch.setattr(Multiply, "load", load)
    for wanted in (1, 10):
        monkeypatch.setattr(Multiply, "at_once", wanted, raising=False)
        with opened(tmp_path / str(wanted)) as run:
            assert list(run.map(Multiply(), range(25))) == [2 * n for n in range(25)]
    assert sizes == [4, 4, 4, 4, 4, 4, 1, 10, 10, 5]


def test_items_of_which_a_step_says_that_they_are_alike_share_batches(tmp_path, monkeypatch):
    batches = []

    def load(self, worker):
        return lambda numbers: batches.append(list(numbers)) or [self.factor * n for n in numbers]

    monkeypatch.setattr(Multiply, "load", load)
    monkeypatch.setattr(Multiply, "alike", lambda self, worker, number: number % 2, raising=False)
    with opened(tmp_path) as run:
        assert list(run.map(Multiply(), range(11))) == [2 * n for n in range(11)]
    assert batches == [[0, 2, 4, 6], [8, 10], [1, 3, 5, 7], [9]]


def test_a_bad_item_fails_alone_and_keeps_its_place(tmp_path):
    with opened(tmp_path) as run:
        results = list(run.map(Picky(bad=7), [1, 7, -2, 3]))
        assert results[0] == 1
        assert results[3] == 3
        assert isinstance(results[1], Failed)
        assert "7 divides" in results[1].reason
        assert (results[2].reason, results[2].detail) == ("negative", "raw reply")
        assert {failure.item for failure in run.failures()} == {"7", "-2"}


def test_a_recipe_goes_on_with_what_succeeded(tmp_path):
    items = [1, 7, 3]
    with opened(tmp_path) as run:
        assert list(succeeded(zip(items, run.map(Picky(), items), strict=True))) == [(1, 1), (3, 3)]


def test_a_failed_item_is_tried_again_by_the_next_run(tmp_path, monkeypatch):
    with opened(tmp_path) as run:
        run.map(Picky(), [1, 7])
    monkeypatch.setattr(Picky, "load", lambda self, worker: list)
    with opened(tmp_path) as run:
        assert list(run.map(Picky(), [1, 7])) == [1, 7]
        assert run.failures() == []


def test_too_many_failures_stop_the_run_and_keep_what_worked(tmp_path):
    with opened(tmp_path, max_failures=1) as run:
        with pytest.raises(TooManyFailures, match=r"Picky: 2 items failed.*7 divides"):
            run.map(Picky(), [1, 2, 3, 4, 7, 14, 5])
        assert run.store.db.execute("select count(*) from results").fetchone() == (5,)


def test_when_every_item_fails_there_is_nothing_to_go_on_with(tmp_path):
    with opened(tmp_path) as run, pytest.raises(TooManyFailures, match=r"negative\. What worked"):
        run.map(Picky(), [-1, -2])


def test_no_items_are_no_failure(tmp_path):
    with opened(tmp_path) as run:
        assert list(run.map(Multiply(), [])) == []


def test_a_full_disk_is_not_the_fault_of_an_item(tmp_path, monkeypatch):
    def load(self, worker):
        def apply(numbers):
            raise DiskTrouble("full")

        return apply

    monkeypatch.setattr(Multiply, "load", load)
    with opened(tmp_path) as run:
        with pytest.raises(DiskTrouble):
            run.map(Multiply(), [1, 2])
        assert run.failures() == []


def test_the_second_process_in_a_run_folder_is_told(tmp_path):
    with opened(tmp_path):
        with pytest.raises(RunBusy, match="--name"):
            opened(tmp_path)
        opened(tmp_path, "another").close()
    opened(tmp_path).close()


def test_an_engine_draws_into_the_blobs(tmp_path):
    with opened(tmp_path) as run:
        (sample,) = run.map(Noise(), [Request(prompt="x", seed=1, label=2, size=(4, 3))])
        assert sample.target == 2
        assert run.worker.pixels.image(sample.image).size == (4, 3)


def test_a_million_items_would_need_sixteen_bytes_each(tmp_path):
    with opened(tmp_path) as run:
        results = run.map(Multiply(), (n for n in range(5000)))
        assert len(results._addresses) == 5000 * 16
        assert sum(results) == sum(2 * n for n in range(5000))


KILLED = """
import sys, time
from pathlib import Path
from steps_for_tests import Multiply
from counterfactory.run import Run, UsedKeys
from counterfactory.worker import Worker
folder, tally = Path(sys.argv[1]), open(sys.argv[2], "a")
def load(self, worker):
    def apply(numbers):
        tally.write("".join(f"{n}\\n" for n in numbers)); tally.flush(); time.sleep(0.01)
        return [self.factor * n for n in numbers]
    return apply
Multiply.load = load
with Run(folder / "run", Worker(workspace=folder, batch_size=5)) as run:
    print("ready", flush=True)
    print(sum(run.map(Multiply(), range(500))))
"""


def test_a_killed_run_goes_on_and_does_at_most_one_batch_a_kill_again(tmp_path):
    moments, tally = random.Random(5), tmp_path / "tally"
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(tally)]
    where = os.path.dirname(__file__)
    for _ in range(3):
        process = subprocess.Popen(command, cwd=where, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        time.sleep(moments.uniform(0.05, 0.4))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    out = subprocess.run(command, cwd=where, capture_output=True, text=True, check=True).stdout.split()
    done = [int(line) for line in tally.read_text().split()]
    assert out == ["ready", str(sum(2 * n for n in range(500)))]
    assert set(done) == set(range(500))
    assert len(done) - 500 <= 3 * 5


def test_values_that_hold_arrays_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(
        Multiply, "load", lambda self, worker: lambda ns: [{"p": np.full(3, n, np.float32)} for n in ns]
    )
    with opened(tmp_path) as run:
        (found,) = run.map(Multiply(), [2])
        assert found["p"].tolist() == [2, 2, 2]


def test_a_run_that_breaks_half_way_keeps_the_list_of_what_it_needed_before(tmp_path):
    with opened(tmp_path) as run:
        run.map(Multiply(), range(10))
    with pytest.raises(TooManyFailures), opened(tmp_path, max_failures=0) as run:
        run.map(Picky(), [7])
    assert len(UsedKeys(tmp_path / "run").all()) == 10 + 1


def test_a_kill_soon_after_another_leaves_the_keys_of_both(tmp_path):
    for items in (range(20), range(20, 22), range(22, 23)):
        run = opened(tmp_path)
        run.map(Multiply(), items)
        run.close()  # as a kill would: the list never becomes whole
    assert len(UsedKeys(tmp_path / "run").all()) == 23
    with opened(tmp_path) as run:
        run.map(Multiply(), range(2))
    assert len(UsedKeys(tmp_path / "run").all()) == 2


def test_a_lock_is_free_after_its_block_whatever_happened_in_it(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), locked(tmp_path / ".lock") as held:
            raise KeyError
        assert held is None
    with locked(tmp_path / ".lock"), pytest.raises(RunBusy), locked(tmp_path / ".lock"):
        pass


def test_a_run_that_cannot_open_its_store_lets_go_of_its_folder(tmp_path):
    (tmp_path / "store.db").write_text("this is no database " * 100)
    with pytest.raises(DiskTrouble):
        opened(tmp_path)
    (tmp_path / "store.db").unlink()
    opened(tmp_path).close()


FITTING = """
import sys, time
from pathlib import Path
from steps_for_tests import Mean
from counterfactory.run import Run
from counterfactory.worker import Worker
folder = Path(sys.argv[1])
def fit(self, worker, place, datasets):
    print("training", flush=True)
    while not (folder / "go").exists():
        time.sleep(0.01)
    return {"images": 5}
Mean.fit = fit
with Run(folder / "first", Worker(workspace=folder)) as run:
    run.fit(Mean())
"""


def fitting(folder, trained):
    """Fit `Mean` where nothing but waiting may be needed; returns the artifact and what the watcher was told."""
    notes = []

    class Watching(Silent):
        def note(self, what):
            notes.append(what)
            trained()

    with Run(folder / "second", Worker(workspace=folder), Watching()) as run:
        return run.fit(Mean()), notes


def test_a_second_process_waits_for_a_training_and_takes_its_model(tmp_path, monkeypatch):
    command = [sys.executable, "-c", FITTING, str(tmp_path)]
    monkeypatch.setattr(Mean, "fit", lambda *_: {"images": -1})
    with subprocess.Popen(command, cwd=os.path.dirname(__file__), stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "training\n"
        artifact, notes = fitting(tmp_path, (tmp_path / "go").touch)
    assert first.returncode == 0
    assert artifact.numbers == {"images": 5}
    assert notes == ["fit mean: another run is training the same model; waiting for it."]


def test_a_second_process_trains_itself_where_the_first_was_killed(tmp_path, monkeypatch):
    command = [sys.executable, "-c", FITTING, str(tmp_path)]
    monkeypatch.setattr(Mean, "fit", lambda *_: {"images": 7})
    with subprocess.Popen(command, cwd=os.path.dirname(__file__), stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "training\n"
        artifact, notes = fitting(tmp_path, first.kill)
    assert artifact.numbers == {"images": 7}
    assert len(notes) == 1


def test_half_of_a_model_does_not_pass_for_the_whole_that_was_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(Mean, "fit", lambda *_: {"images": 1})
    with opened(tmp_path) as run:
        artifact = run.fit(Mean())
        (tmp_path / "artifacts" / artifact.key).rmdir()
        monkeypatch.setattr(Mean, "fit", lambda *_: 1 / 0)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                run.fit(Mean())


def test_a_run_outside_of_its_workspace_is_refused(tmp_path):
    for folder in (tmp_path / "elsewhere" / "run", tmp_path / "runs" / "a" / "b", tmp_path / "runs"):
        with pytest.raises(BadConfig, match="does not lie in its workspace"):
            Run(folder, Worker(workspace=tmp_path / "runs"))
    assert not list(tmp_path.iterdir())
