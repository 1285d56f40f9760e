"""The judge's figures at each checkpoint of a training."""

import json
from pathlib import Path

import torch

from companions import COURSE, SIZE, data, worker
from counterfactory.diffusion import pixel
from counterfactory.diffusion.trainers import PixelNetwork, PixelTrainer
from counterfactory.training.pictures import to_tensor
from counterfactory.zoo.figures import figures
from counterfactory.zoo.judge import FACTORS
from counterfactory.zoo.order import NUMBERS, Order
from tiny_zoo import save_judge


def order(zoo: Path) -> Order:
    return Order(model="ddpm", zoo=zoo, minutes=1)


def judged(zoo: Path) -> Path:
    save_judge(zoo / "judge")
    (zoo / "judge" / NUMBERS).write_text("{}")
    return zoo


def test_without_a_judge_there_are_no_figures(tmp_path: Path):
    opinion = figures(order(tmp_path), worker(tmp_path))
    assert opinion(torch.zeros(2, 3, 8, 8)) == {}


def test_of_known_scenes_each_factor_and_the_mask_are_told(tmp_path: Path):
    scenes = data(8, 6)["validation"].samples
    site = worker(tmp_path)
    opinion = figures(order(judged(tmp_path)), site, scenes)
    pictures = to_tensor(site.pixels.arrays([scene.image for scene in scenes[:4]], (SIZE, SIZE)))
    found = opinion(pictures)  # of the first ones, which were drawn
    assert set(found) == {*FACTORS, "mask_iou"}
    assert all(0 <= value <= 1 for value in found.values())
    assert all(found[factor] * 4 == round(found[factor] * 4) for factor in FACTORS)


def test_a_training_notes_what_the_judge_made_of_its_pictures(tmp_path: Path):
    shape = PixelNetwork(channels=(8, 8), attends=(False, True), head_width=4, groups=4)
    trainer = PixelTrainer(schedule=COURSE, network=shape, size=8, times=24)
    opinion = figures(order(judged(tmp_path)), worker(tmp_path))
    numbers = pixel.trained(trainer, worker(tmp_path), tmp_path / "ddpm", data(), opinion)
    (line,) = (tmp_path / "ddpm" / "training" / "quality.jsonl").read_text().splitlines()
    said = json.loads(line)
    assert {f"{factor}_sure" for factor in FACTORS} < set(said)
    assert said["images"] == numbers["images"]
