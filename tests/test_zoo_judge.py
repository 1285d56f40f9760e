"""The judge: what it learns from, how it is kept and opened, what it says, and who may ask it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from counterfactory.data.diorama.world import ALL_CLASSES, SURFACES
from counterfactory.errors import BadConfig, BadData
from counterfactory.training.pictures import to_tensor
from counterfactory.training.schedule import Schedule
from counterfactory.training.team import Team
from counterfactory.worker import Worker
from counterfactory.zoo.judge import ASKED, FACTORS, Judge, open_judge, read
from counterfactory.zoo.judge_network import save
from counterfactory.zoo.judging import JudgeTrainer, Scenes, Task, answers_of, build, kept_scenes, measured, overlap
from counterfactory.zoo.train import main
from counterfactory.zoo.wear import worn
from counterfactory.zoo.world import UNSEEN_CLASS, UNSEEN_PAIRS, every_scene, seen_scenes
from policy import Source, imports, say, source, sources

MAY_ASK = {"zoo", "cli", "report"}  # what measures; recipes and all parts choose
TINY = JudgeTrainer(channels=(8, 8, 16))


def judge() -> Judge:
    return Judge(network=build(TINY).eval(), device="cpu")


def kept(folder: Path) -> Path:
    """The folder of a judge that has learnt nothing."""
    save(build(TINY), {"channels": TINY.channels, "factors": FACTORS}, folder)
    return folder


def pictures(number: int, side: int = 64) -> torch.Tensor:
    return torch.rand((number, 3, side, side), generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_the_judge_sees_what_is_kept_from_all_others():
    samples = every_scene("train", 1500).samples
    pairs = {(sample.attributes["class"], sample.attributes["surface"]) for sample in samples}
    assert pairs == {(kind, surface) for kind in ALL_CLASSES for surface in SURFACES}
    assert pairs >= set(UNSEEN_PAIRS)
    assert [ALL_CLASSES[sample.target] for sample in samples] == [sample.attributes["class"] for sample in samples]
    assert UNSEEN_CLASS in {sample.attributes["class"] for sample in samples}


def test_its_scenes_are_neither_the_others_nor_those_that_it_is_measured_on():
    train, fresh = ({sample.image for sample in every_scene(split, 500).samples} for split in ("train", "validation"))
    assert not train & fresh
    assert not (train | fresh) & {sample.image for sample in seen_scenes("train", 500).samples}


def test_a_reading_has_every_factor_and_a_mask():
    reading = read(judge(), pictures(3))
    assert {factor: shape.shape for factor, shape in reading.probabilities.items()} == {
        factor: (3, len(values)) for factor, values in FACTORS.items()
    }
    for probabilities in reading.probabilities.values():
        torch.testing.assert_close(probabilities.sum(1), torch.ones(3))
    assert reading.mask.shape == (3, 64, 64)
    assert ((reading.mask >= 0) & (reading.mask <= 1)).all()
    assert all(set(reading.said(factor)) <= set(values) for factor, values in FACTORS.items())
    assert not reading.mask.requires_grad


def test_a_picture_is_read_the_same_whatever_it_lies_beside():
    asked, x_BCHW = judge(), pictures(ASKED + 3)
    whole, last = read(asked, x_BCHW), read(asked, x_BCHW[-1:])
    torch.testing.assert_close(whole.probabilities["class"][-1:], last.probabilities["class"])
    torch.testing.assert_close(whole.mask[-1:], last.mask)


def test_pictures_of_any_size_are_read_and_none_as_well():
    asked = judge()
    sizes = [read(asked, pictures(2, 1).expand(2, 3, *size)) for size in ((64, 64), (20, 31), (200, 128))]
    assert [reading.mask.shape for reading in sizes] == [(2, 64, 64)] * 3
    for reading in sizes[1:]:
        torch.testing.assert_close(reading.probabilities["colour"], sizes[0].probabilities["colour"])
    assert read(judge(), pictures(0)).said("time") == []


def test_what_is_no_batch_of_pictures_is_refused():
    with pytest.raises(BadData, match=r"\(B, 3, H, W\)"):
        read(judge(), torch.zeros(2, 1, 64, 64))


def test_a_kept_judge_says_the_same_again(tmp_path: Path):
    opened = open_judge(str(kept(tmp_path / "judge")))
    first, again = read(judge(), pictures(4)), read(opened, pictures(4))
    for factor in FACTORS:
        torch.testing.assert_close(first.probabilities[factor], again.probabilities[factor], atol=1e-2, rtol=0)
    assert sorted(path.name for path in (tmp_path / "judge").iterdir()) == ["config.json", "model.safetensors"]


def test_a_judge_in_a_pickle_is_refused_in_one_sentence(tmp_path: Path):
    folder = kept(tmp_path / "judge")
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(BadConfig, match=r"there is no model\.safetensors.*never a pickle.*--model judge"):
        open_judge(str(folder))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_judge_whose_file_is_gone_or_damaged_is_refused_by_name(tmp_path: Path, name: str):
    folder = kept(tmp_path / "judge")
    shutil.copytree(folder, tmp_path / "damaged")
    (folder / name).unlink()
    with pytest.raises(BadConfig, match=f"there is no {name}"):
        open_judge(str(folder))
    (tmp_path / "damaged" / name).write_bytes(b"nothing of the kind")
    with pytest.raises(BadConfig, match="holds no judge that can be read"):
        open_judge(str(tmp_path / "damaged"))


def test_a_pickle_that_calls_itself_safetensors_is_not_opened(tmp_path: Path):
    folder = kept(tmp_path / "judge")
    torch.save({}, folder / "model.safetensors")
    with pytest.raises(BadConfig, match="holds no judge that can be read"):
        open_judge(str(folder))


def test_a_judge_of_another_world_is_refused(tmp_path: Path):
    folder = kept(tmp_path / "judge")
    said = json.loads((folder / "config.json").read_text())
    said["factors"]["time"] = ["noon", "dusk", "night"]
    (folder / "config.json").write_text(json.dumps(said))
    with pytest.raises(BadConfig, match="noon"):
        open_judge(str(folder))


def test_worn_pictures_stay_pictures_and_their_masks_go_with_them():
    x_BCHW, mask_BHW = pictures(32), torch.zeros(32, 64, 64)
    x_BCHW[:, :, 20:40, 10:30], mask_BHW[:, 20:40, 10:30] = 1.0, 1.0
    x_BCHW[:, :, :20] = x_BCHW[:, :, 40:] = x_BCHW[:, :, :, 30:] = -1.0
    x_BCHW[:, :, :, :10] = -1.0
    y_BCHW, worn_BHW = worn(x_BCHW, mask_BHW, torch.Generator().manual_seed(1))
    again, _ = worn(x_BCHW, mask_BHW, torch.Generator().manual_seed(1))
    assert torch.equal(y_BCHW, again)
    assert y_BCHW.abs().max() <= 1
    assert not torch.equal(worn_BHW, mask_BHW)
    assert overlap(y_BCHW.mean(1) > 0, worn_BHW > 0.5) > 0.9


def test_wear_is_light():
    x_BCHW = to_tensor(np.full((64, 64, 64, 3), 100, np.uint8))
    y_BCHW, _ = worn(x_BCHW, torch.zeros(64, 64, 64), torch.Generator().manual_seed(2))
    assert (y_BCHW - x_BCHW).abs().mean() < 0.04


def test_overlap_of_masks():
    one, half = torch.zeros(1, 4, 4, dtype=torch.bool), torch.zeros(1, 4, 4, dtype=torch.bool)
    one[:, :2], half[:, :1] = True, True
    assert overlap(one, one) == 1
    assert overlap(one, half) == 0.5
    assert overlap(one, ~one) == 0


def test_mistakes_are_counted_by_what_was_taken_for_what(tmp_path: Path):
    answers = np.zeros((6, len(FACTORS)), int)
    np.save(tmp_path / "scenes.npy", np.zeros((6, 64, 64, 4), np.uint8))
    asked = judge()
    taken = read(asked, torch.full((1, 3, 64, 64), -1.0)).said("class")[0]
    answers[:, 0] = [FACTORS["class"].index(taken)] * 4 + [(FACTORS["class"].index(taken) + 1) % 11] * 2
    numbers = measured(asked, Scenes(path=tmp_path / "scenes.npy", answers=answers))
    other = FACTORS["class"][(FACTORS["class"].index(taken) + 1) % 11]
    assert numbers["class"] == pytest.approx(4 / 6, abs=1e-3)
    assert numbers["confused"] == {f"{other} as {taken}": 2}


def test_a_judge_learns(tmp_path: Path):
    site, data = Worker(workspace=tmp_path), every_scene("train", 11)
    scenes = Scenes(path=kept_scenes(site, data), answers=answers_of(data))
    trainer = TINY.model_copy(update={"schedule": Schedule(images=384, batch_size=8, learning_rate=3e-3, rise=5)})
    numbers = Task(trainer=trainer, worker=site, folder=tmp_path / "judge", data=scenes, fresh=scenes)(Team())
    losses = [json.loads(line)["loss"] for line in (tmp_path / "judge/training/log.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.8 * losses[0]
    assert numbers["images"] == 384


def test_the_command_trains_a_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    main(["--model", "judge", "--minutes", "0.001", "--scenes", "11", "--batch", "1", "--folder", str(tmp_path)])
    assert {*FACTORS, "images", "seconds", "mask_iou"} < json.loads(capsys.readouterr().out).keys()
    assert open_judge(str(tmp_path / "judge")).device == "cpu"
    assert len(list((tmp_path / "arrays").glob("scenes-*.npy"))) == 2  # to learn from, and to be measured on


def asks(module: Source) -> list[str]:
    """Where a module that may choose imports the judge."""
    wrong = [line for line, name in imports(module) if name.startswith("counterfactory.zoo.judg")]
    return (
        [] if module.unit in MAY_ASK else [f"{module.where}:{line}: asks the judge, which measures" for line in wrong]
    )


def test_no_method_asks_the_judge():
    problems = [problem for module in sources() for problem in asks(module)]
    assert not problems, say(problems)


def test_a_method_that_asks_the_judge_is_seen():
    assert asks(source("counterfactory.recipes.dalda", "def f():\n    from counterfactory.zoo.judge import read"))
    assert asks(source("counterfactory.score.filters", "from counterfactory.zoo import judge"))
    assert not asks(source("counterfactory.cli.models", "from counterfactory.zoo.judge import open_judge"))
    assert not asks(source("counterfactory.recipes.dalda", "from counterfactory.zoo.world import UNSEEN_PAIRS"))
