"""Both watchers tell what is done, once, and leave the terminal as it was."""

import pytest

from counterfactory.cli import progress
from counterfactory.cli.progress import Bar, Lines, Tally, watcher
from counterfactory.errors import TooManyFailures
from counterfactory.run import Run
from counterfactory.worker import Worker
from steps_for_tests import Mean, Multiply, Picky

HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"  # the cursor, as terminals are told


@pytest.fixture
def terminal(monkeypatch):
    """Standard error as rich sees a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")


def watched(folder, watcher, **options):
    return Run(folder / "run", Worker(workspace=folder, batch_size=2, processes=1), watcher, **options)


def after(text, mark):
    return text.rpartition(mark)[2]


def test_lines_say_at_the_end_of_a_step_what_was_done(tmp_path, capsys):
    with watched(tmp_path, Lines()) as run:
        run.map(Multiply(), range(4))
        run.map(Multiply(), range(4))
        run.map(Picky(), [1, 7, 2])
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in lines] == ["Multiply: 4/4", "Picky: 3/3"]
    assert lines[1].endswith("1 failed")


def test_lines_come_now_and_then_while_a_step_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(progress, "EVERY", 0.0)
    lines = Lines()
    lines.begin("Draw", 3)
    lines.move(1, 0, 1)
    lines.move(1, 0, 0)
    lines.end()
    shown = [line.partition(",")[0] for line in capsys.readouterr().err.splitlines()]
    assert shown == ["Draw: 2/3", "Draw: 3/3"]


def test_lines_tell_of_a_step_that_broke_and_of_what_one_should_know(tmp_path, capsys):
    lines = Lines()
    with watched(tmp_path, lines, max_failures=0) as run, pytest.raises(TooManyFailures):
        run.map(Picky(), [1, 7, 2, 3])
    lines.note("waiting [for] another run")
    assert capsys.readouterr().err.splitlines()[-1] == "waiting [for] another run"


@pytest.mark.usefixtures("terminal")
def test_a_bar_shows_each_step_once(tmp_path, capsys):
    with watched(tmp_path, Bar()) as run:
        run.map(Multiply(), range(4))
        first = capsys.readouterr().err
        run.map(Picky(), iter([1, 7, 2]))
    second = capsys.readouterr().err
    assert "4/4" in first
    assert "Multiply" not in second
    assert "3/3" in second
    assert "1 failed" in second


@pytest.mark.usefixtures("terminal")
def test_a_bar_gives_the_cursor_back_when_a_step_breaks(tmp_path, capsys):
    with watched(tmp_path, Bar(), max_failures=0) as run, pytest.raises(TooManyFailures):
        run.map(Picky(), [1, 7, 2, 3])
    shown = capsys.readouterr().err
    assert HIDDEN in shown
    assert SHOWN in after(shown, HIDDEN)


@pytest.mark.usefixtures("terminal")
def test_a_bar_gives_the_cursor_back_when_a_training_breaks(tmp_path, monkeypatch, capsys):
    def fit(self, worker, folder, datasets):
        worker.tell(3, 10)
        raise KeyboardInterrupt

    monkeypatch.setattr(Mean, "fit", fit)
    with watched(tmp_path, Bar()) as run, pytest.raises(KeyboardInterrupt):
        run.fit(Mean())
    shown = capsys.readouterr().err
    assert "3/10" in shown
    assert SHOWN in after(shown, HIDDEN)


@pytest.mark.usefixtures("terminal")
def test_a_bar_says_a_note_as_it_is(capsys):
    Bar().note("fit [a]: waiting")
    assert "fit [a]: waiting" in capsys.readouterr().err


def test_a_rate_counts_what_was_made_and_not_what_was_known():
    tally = Tally("Draw", 10)
    tally.add(0, 0, 8)
    assert tally.rate() == ""
    assert tally.line() == "Draw: 8/10, 8 known before"


def test_without_a_terminal_there_are_lines():
    assert isinstance(watcher(), Lines)
