"""Ctrl-C ends a command with one sentence, and its helping processes without any."""

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
        ("diorama", "out", "--num", "20000"),
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
