"""Whatever is wrong is met with one clear message, or with a failed row; nothing is lost and nothing is a traceback."""

import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from command_line import call
from counterfactory.cli.session import write_page
from counterfactory.errors import BadData
from counterfactory.record import Record, write_record
from counterfactory.run import Run
from counterfactory.worker import Worker

QUICK = (
    "--seeds", "0", "--set", "augmentations=none", "--set", "classifier.steps=2",
    "--set", "classifier.evaluate_every=1", "--set", "classifier.batch_size=4", "--set", "classifier.size=16",
)  # fmt: skip


def picture(path: Path, seed: int = 0) -> Path:
    """A small image of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)).save(path)
    return path


def folder(root: Path, names: tuple[str, ...] = ("cat", "dog"), count: int = 4) -> Path:
    """Class folders with a training and a test split."""
    for at, (split, name, i) in enumerate((s, n, i) for s in ("train", "test") for n in names for i in range(count)):
        picture(root / split / name / f"{i}.png", at)
    return root


def augment(capsys, data, workspace, *more):
    return call(capsys, "augment", data, "--shots", 2, *QUICK, "--workspace", workspace, *more)


def test_an_empty_folder(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    answer = augment(capsys, tmp_path / "empty", tmp_path / "runs")
    assert answer.code == 2
    assert "empty" in answer.err


def test_a_path_that_does_not_exist_names_the_nearest(tmp_path, capsys):
    folder(tmp_path / "photos")
    answer = augment(capsys, tmp_path / "fotos", tmp_path / "runs")
    assert answer.code == 2
    assert "fotos" in answer.err
    assert "photos" in answer.err


def test_one_class_only(tmp_path, capsys):
    data = folder(tmp_path / "data", ("cat",))
    for job in ("augment", "train", "synthesize"):
        answer = call(capsys, job, data, "--preset", "tiny", "--workspace", tmp_path / "runs")
        assert (answer.code, "one class" in answer.err) == (2, True), answer.err


def test_a_class_with_fewer_images_than_shots(tmp_path, capsys):
    data = folder(tmp_path / "data")
    for i in range(1, 4):
        (data / "train" / "dog" / f"{i}.png").unlink()
    answer = augment(capsys, data, tmp_path / "runs")
    assert answer.code == 2
    assert "dog has 1" in answer.err
    assert "--shots 1" in answer.err


def test_no_training_split_and_no_test_split(tmp_path, capsys):
    data = folder(tmp_path / "data")
    (data / "train").rename(data / "validation")
    assert "no training split" in augment(capsys, data, tmp_path / "runs").err
    (data / "validation").rename(data / "train")
    shutil.rmtree(data / "test")
    answer = augment(capsys, data, tmp_path / "runs")
    assert answer.code == 2
    assert "no test split" in answer.err


def test_broken_images_are_failed_rows_and_the_rest_goes_on(tmp_path, capsys):
    data = folder(tmp_path / "data")
    whole = picture(tmp_path / "whole.jpg", 99).read_bytes()
    (data / "train" / "cat" / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (data / "train" / "cat" / "nothing.png").write_bytes(b"")
    (data / "train" / "dog" / "words.png").write_text("this is text")
    (data / "train" / "dog" / "bomb.png").write_bytes(bomb())
    answer = augment(capsys, data, tmp_path / "runs", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["failed"] == 2  # what is no image at all is told while reading
    assert "nothing.png" in answer.err
    assert "words.png" in answer.err
    page = Path(answer.json["report"]).read_text(encoding="utf-8")
    assert "truncated.jpg" in page
    assert "bomb.png" in page


def bomb() -> bytes:
    """A PNG of 30,000 x 30,000 in a few hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


def test_labels_without_files_and_files_without_labels(tmp_path, capsys):
    data = tmp_path / "data"
    rows = ["path,label,split"]
    for i in range(8):
        picture(data / "images" / f"{i}.png", i)
        rows.append(f"images/{i}.png,{'ab'[i % 2]},{'train' if i < 4 else 'test'}")
    picture(data / "images" / "stray.png", 50)
    (data / "labels.csv").write_text("\n".join([*rows, "images/ghost.png,a,train"]))
    answer = augment(capsys, data, tmp_path / "runs")
    assert answer.code == 0, answer.err
    assert "ghost.png" in answer.err
    assert "stray.png" in answer.err


@pytest.mark.skipif(sys.platform == "win32", reason="such names are a matter of POSIX")
def test_duplicate_non_utf8_and_spaced_names(tmp_path, capsys):
    data = folder(tmp_path / "data", ("black cat", "dog"))  # the same file names in every class
    odd = os.fsencode(data / "train" / "dog") + b"/caf\xe9 noir.png"
    Path(os.fsdecode(odd)).write_bytes(picture(tmp_path / "x.png", 77).read_bytes())
    answer = augment(capsys, data, tmp_path / "runs", "--json", "--set", "shots=5", "--set", "shots=null")
    assert answer.code == 0, answer.err
    assert answer.json["failed"] == 0
    assert call(capsys, "inspect", data, "--json").json["splits"]["train"] == 9


def test_two_processes_on_one_run_folder(tmp_path, capsys):
    data = folder(tmp_path / "data")
    with Run(tmp_path / "runs" / "mine", Worker(workspace=tmp_path / "runs")):
        answer = augment(capsys, data, tmp_path / "runs", "--name", "mine")
    assert answer.code == 2
    assert "Another process is working in" in answer.err
    assert augment(capsys, data, tmp_path / "runs", "--name", "mine").code == 0


def test_a_run_folder_of_a_later_version(tmp_path, capsys):
    data = folder(tmp_path / "data")
    assert augment(capsys, data, tmp_path / "runs", "--name", "mine").code == 0
    record = tmp_path / "runs" / "mine" / "run.yaml"
    record.write_text(yaml.safe_dump({**yaml.safe_load(record.read_text()), "format": 99, "version": "9.0"}))
    answer = augment(capsys, data, tmp_path / "runs", "--name", "mine")
    assert answer.code == 2
    assert "Counterfactory 9.0" in answer.err
    assert yaml.safe_load(record.read_text())["format"] == 99


def test_a_disk_that_is_full_stops_the_run_which_then_resumes(tmp_path):
    """The limit on file sizes stands for a full disk: the store can grow no further."""
    data = folder(tmp_path / "data")
    command = [sys.executable, "-m", "counterfactory", "augment", str(data), "--shots", "2", *QUICK]
    command += ["--workspace", str(tmp_path / "runs"), "--name", "mine"]
    limited = "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); " \
        "resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000)); " \
        "sys.argv = sys.argv[1:]; from counterfactory.cli import main; main()"  # fmt: skip
    options = {"capture_output": True, "text": True, "timeout": 110}
    full = subprocess.run([sys.executable, "-c", limited, *command[2:]], check=False, **options)
    assert full.returncode == 2, full.stderr
    assert "Nothing that was finished is lost" in full.stderr
    assert "Traceback" not in full.stderr
    again = subprocess.run(command, check=False, **options)
    assert again.returncode == 0, again.stderr


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_workspace(tmp_path, capsys):
    data = folder(tmp_path / "data")
    (tmp_path / "runs").mkdir(mode=0o500)
    answer = augment(capsys, data, tmp_path / "runs")
    assert answer.code == 2
    assert "may not be written" in answer.err


def test_a_workspace_that_is_a_file(tmp_path, capsys):
    (tmp_path / "runs").write_text("")
    answer = augment(capsys, folder(tmp_path / "data"), tmp_path / "runs")
    assert answer.code == 2
    assert "runs" in answer.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--recipe", "baselin"], "Did you mean 'baseline'"),
        (["--preset", "tyni"], "Did you mean 'tiny'"),
        (["--set", "shot=3"], "Did you mean 'shots'"),
        (["--set", "classifier.step=3"], "Did you mean 'classifier.steps'"),
        (["--set", "classifier.steps=many"], "classifier.steps"),
        (["--set", "augmentations=fog"], "augmentations"),
        (["--set", "nothing"], "field=value"),
        (["--seeds", "a,b"], "whole numbers"),
        (["--seeds", "0,0"], "only once"),
        (["--seed", "-1"], "greater than or equal to 0"),
        (["--set", "augmentations=none,none"], "only once"),
        (["--name", "store.db-wal"], "cannot be a run's name"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
        (["--name", "../escape"], "cannot be a run's name"),
        (["--name", "a" * 201], "up to 200 letters"),
        (["--device", "abacus"], "abacus"),
    ],
)
def test_options_that_make_no_sense(tmp_path, capsys, words, message):
    answer = call(capsys, "augment", "diorama:train=20,validation=20,test=20", "--workspace", tmp_path / "runs", *words)
    assert answer.code == 2
    assert message in answer.err


def test_an_error_is_also_an_object_where_one_was_asked_for(tmp_path, capsys):
    answer = call(capsys, "augment", tmp_path / "nowhere", "--workspace", tmp_path / "runs", "--json")
    assert answer.json["error"] == "BadData"
    assert "nowhere" in answer.json["message"]


def test_a_run_that_does_not_exist_names_the_nearest(tmp_path, capsys):
    answer = call(capsys, "report", "nothing", "--workspace", tmp_path)
    assert answer.code == 2
    assert "Unknown run 'nothing'" in answer.err


def test_an_export_does_not_overwrite(tmp_path, capsys):
    assert augment(capsys, folder(tmp_path / "data"), tmp_path / "runs", "--name", "mine").code == 0
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("mine")
    answer = call(capsys, "export", "mine", "--out", tmp_path / "out", "--workspace", tmp_path / "runs")
    assert answer.code == 2
    assert (tmp_path / "out" / "precious").read_text() == "mine"


def test_a_job_that_is_refused_leaves_no_run_and_takes_none_away(tmp_path, capsys):
    data, runs = folder(tmp_path / "data"), tmp_path / "runs"
    for words in (("--shots", 99), ("--set", "classifier.model.name=no/such")):
        assert augment(capsys, data, runs, *words).code == 2
        assert augment(capsys, tmp_path / "nowhere", runs, *words).code == 2
        assert "No runs" in call(capsys, "runs", "--workspace", runs).out
    assert augment(capsys, data, runs, "--name", "mine").code == 0
    shutil.rmtree(data / "test")
    assert augment(capsys, data, runs, "--name", "mine").code == 2
    assert "not finished" not in call(capsys, "runs", "--workspace", runs).out


@pytest.mark.parametrize("text", ["format: [", "just words", "format: 1", "format: 1\nconfig: 3", b"\xff\xfe\x00"])
def test_a_damaged_run_is_listed_with_the_others_and_can_be_pruned(tmp_path, capsys, text):
    for name in ("good", "bad"):
        with Run(tmp_path / name, Worker(workspace=tmp_path)):
            write_record(
                tmp_path / name, Record(name=name, job="augment", command="", version="0", config={}, started="")
            )
    (tmp_path / "bad" / "run.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    answer = call(capsys, "runs", "--workspace", tmp_path)
    assert answer.code == 0
    assert [line.split()[:2] for line in answer.out.splitlines()[1:3]] == [["bad", "damaged"], ["good", "augment"]]
    bad, good = call(capsys, "runs", "--workspace", tmp_path, "--json").json["runs"]
    assert (bad["state"], good["name"]) == ("damaged", "good")
    assert "run.yaml is damaged" in bad["reason"]
    assert call(capsys, "report", "bad", "--workspace", tmp_path).code == 2
    assert call(capsys, "prune", "bad", "--workspace", tmp_path, "--yes", "--json").json["runs"] == 1
    assert not (tmp_path / "bad").exists()


def test_a_report_of_another_form_is_damaged(tmp_path):
    with Run(tmp_path / "mine", Worker(workspace=tmp_path)):
        write_record(
            tmp_path / "mine", Record(name="mine", job="augment", command="", version="0", config={}, started="")
        )
    (tmp_path / "mine" / "report").mkdir()
    for text in ("{}", "[]", "3", '{"report": 3, "failures": []}', "{"):
        (tmp_path / "mine" / "report" / "report.json").write_text(text)
        with pytest.raises(BadData, match=r"report\.json (is damaged|holds no report).*; delete it"):
            write_page(tmp_path / "mine")


def test_no_path_and_a_home_of_nobody_are_told(capsys):
    assert "No data given" in call(capsys, "inspect", "").err
    assert "There is nothing at" in call(capsys, "inspect", "~nobody-of-that-name/x").err


def test_a_path_that_is_neither_file_nor_folder(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    for path in (os.devnull, tmp_path / "pipe"):
        answer = call(capsys, "inspect", path)
        assert answer.code == 2
        assert "is neither a file nor a folder" in answer.err
    assert "There is nothing at" in call(capsys, "inspect", "x" * 400).err


def test_a_table_of_unknown_columns_names_them_and_those_that_are_expected(tmp_path, capsys):
    (tmp_path / "x.csv").write_text("photo;kind\na.png;cat\n")
    for path in (tmp_path, tmp_path / "x.csv"):
        answer = call(capsys, "inspect", path)
        assert answer.code == 2
        assert "has the columns 'photo', 'kind'; expected one with the file names, called path or" in answer.err


def test_classes_that_differ_by_case_alone_are_trained_and_measured(tmp_path, capsys):
    answer = augment(capsys, folder(tmp_path / "data", ("Cat", "cat")), tmp_path / "runs")
    assert answer.code == 0, answer.err
