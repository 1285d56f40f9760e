"""Helping processes: interrupted, killed, started anew."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from counterfactory import keys
from counterfactory.errors import Unavailable
from counterfactory.pixels import Pixels, _readers
from counterfactory.processes import Helpers, interruptible
from counterfactory.types import Address


def killed_in_the_middle(number):
    if number == 40:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def saved(path, grey):
    Image.new("RGB", (8, 8), (grey, grey, grey)).save(path)
    return Address(keys.digest(path.read_bytes()), f"file:{path}")


def large_and_slow(number):
    time.sleep(0.002)
    return bytes(1_000_000)


def taken_until_interrupted(results):
    for count, _ in enumerate(results):
        if count == 20:
            raise KeyboardInterrupt


@pytest.mark.skipif(os.name != "posix", reason="signals are a matter of POSIX")
def test_a_helper_that_is_killed_is_one_sentence_and_others_take_its_place():
    helpers = Helpers(2)
    message = r"A helping process was killed, .*memory.* run the same again"
    with pytest.raises(Unavailable, match=message), interruptible(helpers):
        list(helpers.map(killed_in_the_middle, range(100)))
    assert helpers.stopped.is_set()


def test_an_interrupt_while_large_results_are_sent_ends_at_once():
    began, others = time.monotonic(), {process.pid for process in multiprocessing.active_children()}
    helpers = Helpers(2)
    with pytest.raises(KeyboardInterrupt), interruptible(helpers):
        taken_until_interrupted(helpers.map(large_and_slow, range(20_000)))
    assert time.monotonic() - began < 20
    assert {process.pid for process in multiprocessing.active_children()} <= others


def test_readers_that_were_interrupted_are_started_anew(tmp_path):
    addresses = [saved(tmp_path / f"{number}.png", number % 250) for number in range(600)]
    pixels = Pixels(processes=2)
    before = pixels.arrays(addresses, (8, 8))
    with pytest.raises(KeyboardInterrupt), interruptible(_readers(2)):
        raise KeyboardInterrupt
    assert (pixels.arrays(addresses, (8, 8)) == before).all()


SCRIPT = """
from multiprocessing import active_children
from pathlib import Path
from counterfactory.data.read import read
from counterfactory.worker import Worker

print("began", flush=True)
train = read("images").splits["train"]
worker = Worker(workspace=Path("work"), processes=2)
print(worker.pixels.arrays([sample.image for sample in train.samples], (8, 8)).shape, len(active_children()) > 0)
"""


def test_a_script_needs_no_guard_and_is_run_once(tmp_path):
    for name in "ab":
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(300):
            saved(tmp_path / "images" / name / f"{number}.png", number % 250)
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "began\n(600, 8, 8, 3) True\n", done.stderr
    assert not done.stderr
