"""Ctrl-C ends a command with one sentence, and its helping processes without any; they never outlive it."""

import os
import signal
import subprocess
import sys
import time

import pytest

SENTENCE = "Stopped. The same command goes on where it was."
QUICK = (
    "--seeds",
    "0",
    "--set",
    "augmentations=none",
    "--set",
    "classifier.steps=100000",
    "--set",
    "classifier.size=16",
)


def children(pid: int) -> list[int]:
    """The processes that a process started, and those that they did."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()[1:]]
    own = [child for child, parent in pairs if parent == pid]
    return own + [one for child in own for one in children(child)]


@pytest.mark.skipif(os.name != "posix", reason="interrupts of process groups are a matter of POSIX")
@pytest.mark.parametrize(
    "words",
    [
        ("inspect", "diorama:train=20000"),
        ("diorama", "out", "--num", "6000"),
        pytest.param(("augment", "diorama:train=20000", "--shots", "1000", *QUICK), marks=pytest.mark.slow),
    ],
    ids=lambda words: words[0],
)
def test_an_interrupt_ends_with_one_sentence_and_no_traceback(tmp_path, words):
    command = [sys.executable, "-m", "counterfactory", *words]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while len(children(process.pid)) < 4 and time.monotonic() < deadline:  # a server, a tracker, two helpers
                time.sleep(0.1)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
            out, err = process.communicate(timeout=40)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert process.returncode == 130, err
    assert err.strip().splitlines()[-1] == SENTENCE
    assert "Traceback" not in err
    assert "Traceback" not in out


def alive(pid: int) -> bool:
    """Whether a process is there, and not only waiting for somebody to hear that it has ended."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True).stdout
    return bool(state.strip()) and not state.startswith("Z")


@pytest.mark.skipif(os.name != "posix", reason="signals are a matter of POSIX")
def test_helpers_end_when_the_program_is_killed(tmp_path):
    command = [sys.executable, "-m", "counterfactory", "inspect", "diorama:train=20000"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while len(children(process.pid)) < 4 and time.monotonic() < deadline:
            time.sleep(0.1)
        helpers = children(process.pid)
        process.kill()
    deadline = time.monotonic() + 30
    while any(map(alive, helpers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(helpers) >= 4
    assert not any(map(alive, helpers))
