"""What the zoo's companions learn beside: copies of finished models, and anew with newer ones."""

from pathlib import Path

import pytest
from diffusers import ControlNetModel

from companions import save_base, save_clip
from counterfactory.diffusion.adapters import WEIGHTS
from counterfactory.errors import BadConfig
from counterfactory.zoo.frozen import frozen
from counterfactory.zoo.order import NUMBERS, Order

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")


def finished(folder: Path, weights: str) -> None:
    """A model of one file, with what a training leaves beside it."""
    (folder / "training").mkdir(parents=True, exist_ok=True)
    (folder / "training" / "state").write_text("large")
    (folder / "weights").write_text(weights)
    (folder / NUMBERS).write_text("{}")


def order(zoo: Path) -> Order:
    return Order(model="companion", zoo=zoo, minutes=1)


def test_without_a_finished_model_it_says_what_to_train_first(tmp_path: Path):
    (tmp_path / "latent").mkdir()
    with pytest.raises(BadConfig, match="--model latent"):
        frozen(order(tmp_path), "latent")


def test_a_model_that_is_trained_further_stays_as_it_was_until_it_has_finished(tmp_path: Path):
    finished(tmp_path / "latent", "first")
    copy = Path(*frozen(order(tmp_path), "latent"))
    assert [path.name for path in copy.iterdir()] == ["weights"]
    (tmp_path / "latent" / NUMBERS).unlink()
    (tmp_path / "latent" / "weights").write_text("half learnt")
    assert Path(*frozen(order(tmp_path), "latent")) == copy
    assert (copy / "weights").read_text() == "first"


def test_beside_a_newer_model_learning_begins_anew_and_the_old_state_is_put_aside(tmp_path: Path):
    finished(tmp_path / "latent", "first")
    finished(tmp_path / "clip", "first")
    frozen(order(tmp_path), "latent", "clip")
    training = order(tmp_path).folder / "training"
    training.mkdir()
    (training / "checkpoint").write_text("state")
    frozen(order(tmp_path), "latent", "clip")
    assert training.exists()
    finished(tmp_path / "clip", "second")
    latent, clip = map(Path, frozen(order(tmp_path), "latent", "clip"))
    assert not training.exists()
    assert (latent.parent / "training-1" / "checkpoint").read_text() == "state"
    assert ((latent / "weights").read_text(), (clip / "weights").read_text()) == ("first", "second")


@pytest.mark.parametrize("model", ["controlnet_edges", "controlnet_masks", "ip_adapter"])
def test_a_companion_is_trained_by_its_name(tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch):
    from counterfactory.zoo import controlnet_edges, controlnet_masks, train

    for module in (controlnet_edges, controlnet_masks):
        monkeypatch.setattr(module, "ATTENDS", (False, True))  # the tiny base has two levels
    save_base(tmp_path / "latent", side=64)
    save_clip(tmp_path / "clip")
    for name in ("latent", "clip"):
        (tmp_path / name / NUMBERS).write_text("{}")
    said = ["--model", model, "--folder", str(tmp_path), "--scenes", "8", "--batch", "1", "--minutes", "0.001"]
    train.main(said)
    assert (tmp_path / model / NUMBERS).exists()
    if model == "ip_adapter":
        assert (tmp_path / model / WEIGHTS).exists()
    else:
        assert ControlNetModel.from_pretrained(tmp_path / model).config.mid_block_type == "UNetMidBlock2D"
