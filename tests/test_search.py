"""A search finds, goes on where it was killed, prunes, shares what means the same, and says why all failed."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from counterfactory.classify.models import SmallResNet
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.errors import BadData, DiskTrouble, TooManyFailures
from counterfactory.run import Run
from counterfactory.search.plan import Choice, Real, Search, Whole
from counterfactory.worker import Worker
from squares import squares

SPACE = {"guidance": Real(low=0, high=7.5), "steps": Whole(low=5, high=50)}
SEARCH = Search(space=SPACE, trials=16)


def opened(folder, name="run", **options):
    return Run(folder / name, Worker(workspace=folder, processes=1), **options)


def hill(settings, report, seed):
    """Highest at guidance 2; steps count little."""
    return 1 - (settings["guidance"] - 2) ** 2 / 30 + settings["steps"] / 1e4


def schedule(settings):
    """The published sampler's: equal for some numbers of steps."""
    return {"guidance": settings["guidance"], "schedule": list(range(1, 1000, 1000 // settings["steps"]))}


def tried(trials):
    return [(trial.number, dict(trial.settings), trial.state, trial.value) for trial in trials]


def test_a_search_finds_the_hill_and_knows_what_mattered(tmp_path):
    with opened(tmp_path) as run:
        found = run.search(SEARCH.model_copy(update={"trials": 40}), hill, "hill")
    assert abs(found.settings["guidance"] - 2) < 0.5
    assert found.value == max(trial.value for trial in found.trials)
    assert next(iter(found.importance)) == "guidance"
    assert sum(found.importance.values()) == pytest.approx(1)
    assert all(isinstance(trial.settings["steps"], int) for trial in found.trials)


def test_one_seed_is_one_search_and_another_is_another(tmp_path):
    found = []
    for folder, seed in ((tmp_path / "a", 0), (tmp_path / "b", 0), (tmp_path / "c", 1)):
        with opened(folder) as run:
            found.append(run.search(SEARCH.model_copy(update={"seed": seed}), hill, "hill"))
    assert found[0] == found[1] != found[2]


class Killed(BaseException):
    """The process is gone."""


def test_a_search_that_was_killed_goes_on_where_it_was_and_ends_the_same(tmp_path):
    asked = []

    def dies(settings, report, seed):
        asked.append(settings)
        if len(asked) == 8:
            raise Killed
        return hill(settings, report, seed)

    with pytest.raises(Killed), opened(tmp_path) as run:
        run.search(SEARCH, dies, "hill")
    with opened(tmp_path) as run:
        found = run.search(SEARCH, dies, "hill")
    assert asked[7] == asked[8]  # trial 7 anew, and none of those before it
    assert len(asked) == 16 + 1
    with opened(tmp_path / "other") as run:
        assert run.search(SEARCH, hill, "hill") == found


SCRIPT = """
import sys, time
from pathlib import Path
from counterfactory.run import Run
from counterfactory.search.plan import Real, Search
from counterfactory.worker import Worker

folder = Path(sys.argv[1])

def slow(settings, report, seed):
    with (folder / "asked").open("a") as stream:
        print(settings["guidance"], file=stream, flush=True)
    time.sleep(0.02)
    if (folder / "asked").read_text().count("\\n") == 8:
        print("now", flush=True)
        time.sleep(30)
    return -abs(settings["guidance"] - 2)

with Run(folder / "run", Worker(workspace=folder)) as run:
    run.search(Search(space={"guidance": Real(low=0, high=7.5)}, trials=12), slow, "slow")
"""


def test_a_kill_from_outside_loses_one_trial_at_most(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "now\n"
        os.kill(process.pid, signal.SIGKILL)
    subprocess.run(command, check=True, timeout=60)
    asked = (tmp_path / "asked").read_text().split()
    assert len(asked) == 12 + 1
    assert asked[7] == asked[8]


def test_more_trials_go_on_from_those_that_are_there(tmp_path):
    asked = []

    def counted(settings, report, seed):
        asked.append(settings)
        return hill(settings, report, seed)

    with opened(tmp_path) as run:
        first = run.search(SEARCH.model_copy(update={"trials": 6}), counted, "hill")
        more = run.search(SEARCH, counted, "hill")
    assert tried(more.trials[:6]) == tried(first.trials)
    assert len(asked) == 16


def test_what_is_scored_is_part_of_what_is_remembered(tmp_path):
    with opened(tmp_path) as run:
        run.search(SEARCH, hill, "hill")
        found = run.search(SEARCH, lambda settings, report, seed: settings["steps"], "steps")
    assert found.value > 1


def test_the_first_settings_are_tried_first_and_must_lie_in_the_space(tmp_path):
    usual = {"guidance": 7.5, "steps": 50}
    with opened(tmp_path) as run:
        found = run.search(SEARCH.model_copy(update={"first": (usual,)}), hill, "hill")
    assert found.trials[0].settings == usual
    with pytest.raises(ValidationError, match="guidance = 9 lies outside"):
        Search(space=SPACE, trials=1, first=({"guidance": 9, "steps": 5},))
    with pytest.raises(ValidationError, match="should name guidance, steps"):
        Search(space=SPACE, trials=1, first=({"guidance": 1},))
    with pytest.raises(ValidationError, match="goes from 9 to 5"):
        Search(space={"steps": Whole(low=9, high=5)}, trials=1)


def test_settings_that_mean_the_same_share_what_came_of_them(tmp_path):
    assert len({str(schedule({"guidance": 0, "steps": steps})) for steps in range(5, 51)}) == 39
    space, seen = {"guidance": Choice(values=(1.0,)), "steps": Whole(low=45, high=50)}, Counter()

    def counted(settings, report, seed):
        seen[len(schedule(settings)["schedule"])] += 1
        return settings["steps"] / 50

    with opened(tmp_path) as run:
        found = run.search(Search(space=space, trials=20), counted, "steps", schedule)
    assert max(seen.values()) == 1
    copies = [trial for trial in found.trials if trial.same_as is not None]
    assert len(copies) == 20 - len(seen)
    assert all(trial.value == found.trials[trial.same_as].value for trial in copies)


def test_the_pruner_stops_what_is_worse_at_a_rung(tmp_path):
    steps_done = Counter()

    def climbing(settings, report, seed):
        for step in range(1, 10):
            steps_done[str(dict(settings))] += 1
            report(step, hill(settings, report, seed) * step / 9)
        return hill(settings, report, seed)

    said = SEARCH.model_copy(update={"rung": 1, "trials": 24})
    with opened(tmp_path) as run:
        found = run.search(said, climbing, "climbing")
    states = Counter(trial.state for trial in found.trials)
    assert states["pruned"] >= 12
    assert sum(steps_done.values()) < 24 * 9 / 2
    assert found.value >= 0.95
    assert all(len(trial.curve) in (1, 3, 9) for trial in found.trials)
    with opened(tmp_path, "again") as run:
        assert run.search(said, None, "climbing") == found  # all of it is known, curves too


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("out of memory, tried to allocate 20 GiB"),
        TooManyFailures("Diffuse: 9 items failed, one so: out of memory: a drawing does not fit into 20 GiB."),
    ],
)
def test_a_trial_out_of_memory_is_pruned_and_the_search_goes_on(tmp_path, error):
    def large(settings, report, seed):
        if settings["steps"] > 20:
            raise error
        return hill(settings, report, seed)

    with opened(tmp_path) as run:
        found = run.search(SEARCH, large, "large")
        assert any("20 GiB" in failure.reason for failure in run.failures())
    pruned = [trial for trial in found.trials if trial.settings["steps"] > 20]
    assert pruned
    assert all(trial.state == "pruned" and "20 GiB" in trial.reason for trial in pruned)
    assert found.settings["steps"] <= 20


def test_a_failed_trial_is_a_failed_row_and_is_tried_again_the_next_time(tmp_path):
    broken = [True]

    def fails(settings, report, seed):
        if broken[0] and settings["guidance"] > 4:
            raise BadData("Nothing was drawn.")
        return float("nan") if broken[0] and settings["steps"] > 25 else hill(settings, report, seed)

    with opened(tmp_path) as run:
        found = run.search(SEARCH, fails, "fails")
        reasons = {failure.reason for failure in run.failures()}
    assert reasons == {"Nothing was drawn.", "The score is nan, which is no number to compare."}
    assert {trial.state for trial in found.trials} == {"complete", "failed"}
    broken[0] = False
    with opened(tmp_path) as run:
        assert {trial.state for trial in run.search(SEARCH, fails, "fails").trials} == {"complete"}
        assert not run.failures()


def test_a_search_of_which_every_trial_failed_says_why(tmp_path):
    def fails(settings, report, seed):
        raise BadData("The split 'validation' is empty.")

    with (
        opened(tmp_path) as run,
        pytest.raises(TooManyFailures, match=r"Not one of 16 trials .* 'validation' is empty"),
    ):
        run.search(SEARCH, fails, "fails")


@pytest.mark.parametrize("error", [DiskTrouble("The disk is full."), KeyError("a fault of ours")])
def test_what_would_meet_every_trial_ends_the_search(tmp_path, error):
    def fails(settings, report, seed):
        raise error

    with opened(tmp_path) as run, pytest.raises(type(error)):
        run.search(SEARCH, fails, "fails")


def test_finalists_are_scored_with_other_seeds_and_luck_does_not_win(tmp_path):
    def lucky(settings, report, seed):
        return hill(settings, report, seed) + (9.0 if seed == 0 and settings["guidance"] > 6 else 0.0)

    said = SEARCH.model_copy(update={"first": ({"guidance": 7, "steps": 5}, {"guidance": 2, "steps": 5}), "trials": 2})
    with opened(tmp_path) as run:
        assert run.search(said, lucky, "lucky").settings["guidance"] == 7
        found = run.search(said.model_copy(update={"finalists": 2, "repeats": 2}), lucky, "lucky")
        assert run.search(said.model_copy(update={"finalists": 2, "repeats": 2}), None, "lucky") == found
    assert found.settings["guidance"] == 2
    assert found.value == pytest.approx(1, abs=1e-3)
    assert [len(finalist.values) for finalist in found.finalists] == [2, 2]


def test_a_training_is_heard_and_stopped_on_its_way_and_goes_on_when_asked_again(tmp_path: Path):
    trainer = ClassifierTrainer(model=SmallResNet(width=8), size=32, steps=24, batch_size=12, evaluate_every=6)
    data = {"train": squares(tmp_path, 18), "validation": squares(tmp_path, 12, "validation")}
    heard = []

    def hear(step, value):
        heard.append((step, value))
        if step == 12:
            raise BadData("Enough.")

    with opened(tmp_path) as run:
        with pytest.raises(BadData, match="Enough"):
            run.fit(trainer, "scoring", hear, **data)
        artifact = run.fit(trainer, "scoring", **data)
    assert [step for step, _ in heard] == [6, 12]
    assert all(0 <= value <= 1 for _, value in heard)
    assert artifact.numbers["steps"] == 24
