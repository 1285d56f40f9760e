"""DiME with a classifier of attributes, from a folder in CelebA's form to numbers and the published folder tree."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from command_line import call
from counterfactory.classify.models import SmallResNet
from counterfactory.classify.networks import build, said, seeded
from counterfactory.classify.predict import asked
from counterfactory.classify.saved import load, save
from counterfactory.data.read import read
from counterfactory.diffusion.pixel import build as build_denoiser
from counterfactory.diffusion.pixel import save as save_denoiser
from counterfactory.diffusion.pixel import scheduler
from counterfactory.diffusion.trainers import PixelNetwork, PixelTrainer
from counterfactory.recipes.questions import answers_of, questions
from counterfactory.run import Run
from counterfactory.worker import Worker

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

FACES, SIDE = 8, 16
NAMES = ("Smiling", "Young")
FOUND = {1: "Smiling", 0: "not Smiling"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight faces, and a denoiser and a classifier that have learnt nothing: half of the faces smile, it says."""
    folder = tmp_path_factory.mktemp("attributes")
    (folder / "faces").mkdir()
    colours = np.random.default_rng(0).integers(0, 255, (FACES, SIDE, SIDE, 3), np.uint8)
    names = [f"{number:06d}.png" for number in range(FACES)]
    for name, pixels in zip(names, colours, strict=True):
        Image.fromarray(pixels).save(folder / "faces" / name)
    rows = [f"{name},{number % 2},{'' if number == 3 else number // 4}" for number, name in enumerate(names)]
    (folder / "faces" / "list_attr_celeba.csv").write_text("\n".join(["image_id,Smiling,Young", *rows]))
    trainer = PixelTrainer(
        network=PixelNetwork(channels=(8, 16), attends=(False, True), head_width=8, groups=4), size=SIDE, times=100
    )
    save_denoiser(build_denoiser(trainer), scheduler(trainer), folder / "denoiser")
    _classifier(folder)
    return folder


def _classifier(folder: Path) -> None:
    """Its limits are the middle of what it says of the faces."""
    with seeded("cpu", 0):
        network = build(SmallResNet(width=8, blocks=1), NAMES, "multi-label", (SIDE, SIDE))
    save(network, said(NAMES, "multi-label"), 1.0, folder / "classifier")
    images = [sample.image for sample in read(str(folder / "faces")).splits["train"].samples]
    opened = load(folder / "classifier", "cpu", torch.float32)
    middle = np.median(asked(opened, Worker(workspace=folder), images), 0)
    with torch.no_grad():
        network.whole.classifier[-1].bias -= torch.tensor(middle).logit()
    save(network, said(NAMES, "multi-label"), 1.0, folder / "classifier")


def explain(capsys: Any, folder: Path, name: str, *sets: str) -> Any:
    quick = ["search.steps=10", "search.start=3", "search.scales=[1,30]", f"denoiser={folder / 'denoiser'}", *sets]
    words = [word for one in quick for word in ("--set", one)]
    where = ("--workspace", folder / "runs", "--name", name, "--json")
    return call(capsys, "explain", folder / "faces", "--model", folder / "classifier", *where, *words)


def both(capsys: Any, folder: Path) -> None:
    """A run; the second time it is known."""
    answer = explain(capsys, folder, "both", "target=Smiling", f"opinion={folder / 'classifier'}")
    assert answer.code == 0, answer.err


def facts(folder: Path, name: str) -> list[dict[str, Any]]:
    rows = (folder / "runs" / name / "data" / "counterfactual" / "metadata.jsonl").read_text().splitlines()
    return [json.loads(json.loads(row)["attributes"]) for row in rows]


def test_an_attribute_comes_to_some_and_goes_from_others(capsys: pytest.CaptureFixture[str], folder: Path):
    both(capsys, folder)
    made = facts(folder, "both")
    assert sorted(one["wanted"] for one in made) == ["Smiling"] * 4 + ["not Smiling"] * 4
    assert all({one["wanted"], one["predicted"]} == set(FOUND.values()) for one in made)
    assert all(one["flipped"] is (one["answered"] == one["wanted"]) is (one["after"] > 0.5) for one in made)
    assert any(one["flipped"] for one in made)
    report = json.loads((folder / "runs" / "both" / "report" / "report.json").read_text())
    assert "gives the wanted answer for 100 %" in json.dumps(report)  # it is asked about its own flips


def test_an_attribute_is_taken_from_those_that_have_it(capsys: pytest.CaptureFixture[str], folder: Path):
    answer = explain(capsys, folder, "gone", "target=not Smiling")
    assert answer.code == 0, answer.err
    assert {one["wanted"] for one in facts(folder, "gone")} == {"not Smiling"}
    assert "Left out: 4 of 8 images, of which the classifier says 'not Smiling' already" in answer.err


def test_the_numbers_and_the_tree_of_attributes(capsys: pytest.CaptureFixture[str], folder: Path):
    both(capsys, folder)
    where = ("--workspace", folder / "runs", "--json")
    measured = call(capsys, "evaluate", "both", *where, "--set", f"oracle={folder / 'classifier'}")
    assert measured.code == 0, measured.err
    numbers = measured.json["numbers"]
    flips = [one for one in facts(folder, "both") if one["flipped"]]
    assert numbers["flip rate, %"]["mean"] == pytest.approx(100 * len(flips) / FACES)
    assert numbers["seen as wanted by the oracle, %"]["mean"] == 100
    assert numbers["MNAC by the oracle"]["mean"] >= 1
    assert numbers["COUT ↑"]["mean"] > 0
    assert np.isfinite(numbers["CD by the oracle"]["mean"])
    tree = Path(call(capsys, "export", "both", "--format", "dime", *where).json["out"])
    infos = [dict(line.split(": ") for line in path.read_text().splitlines()) for path in tree.rglob("Info/*.txt")]
    assert len(infos) == FACES
    assert all({one["pred"], one["target"]} == {"0", "1"} for one in infos)
    assert {path.parents[2].name for path in tree.rglob("Info/*.txt")} == {"CC", "IC"}


@pytest.mark.parametrize("target", ["second-best", "all"])
def test_every_target_is_a_question_of_attributes(folder: Path, target: str):
    data = read(str(folder / "faces"))
    images = next(iter(data.splits.values()))
    model = str(folder / "classifier")
    with Run(folder / f"run-{target}", Worker(workspace=folder, processes=1)) as run:
        found = questions(run, model, answers_of(run, model, {}, images), images, target, 0)
    assert len(found) == (FACES if target == "second-best" else 2 * FACES)
    assert {question.present for _, question in found} <= {True, False}
