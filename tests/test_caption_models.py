"""Captioners of other kinds than BLIP, as tiny models of their real classes; and captions that come with the data."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from counterfactory.caption.captioner import Caption
from counterfactory.caption.given import GivenCaption
from counterfactory.caption.models import open_captioner
from counterfactory.errors import BadConfig
from counterfactory.pixels import encode_png
from counterfactory.testing import StepContract
from counterfactory.types import Address, Failed, Sample
from counterfactory.worker import Worker
from tiny_talkers import save_blip2, save_idefics3, save_llava

MAKERS = (save_blip2, save_llava, save_idefics3)
PICTURES = [
    Image.linear_gradient("L").resize(size).convert("RGB").rotate(90 * n)
    for n, size in enumerate([(40, 30), (16, 16), (20, 90)])
]


@pytest.fixture(scope="module", params=MAKERS, ids=lambda maker: maker.__name__.removeprefix("save_"))
def folder(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    maker: Callable[[Path], Path] = request.param
    return maker(tmp_path_factory.mktemp(maker.__name__))


def placed(folder: Path) -> list[Address]:
    """The pictures where any workspace finds them."""
    found = []
    for number, picture in enumerate(PICTURES):
        path = folder / f"{number}.png"
        path.write_bytes(encode_png(picture))
        found.append(Address(f"{number}", f"file:{path}"))
    return found


class TestCaptionOfAnyKind(StepContract):
    @pytest.fixture(autouse=True)
    def _places(self, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.folder, self.pictures = folder, placed(tmp_path_factory.mktemp("pictures"))

    def step(self) -> Any:
        return Caption(model=str(self.folder), captions=2, max_tokens=6, seed=7)  # a seed with which none says nothing

    def items(self) -> Sequence[Any]:
        return self.pictures


def test_captions_are_as_long_as_asked_and_do_not_repeat_the_question(folder: Path):
    captioner = open_captioner(folder, "cpu")
    texts = captioner.say(captioner.see(PICTURES), [3, 4, 5], 6)
    assert all(len(text.split()) <= 6 for text in texts)
    assert len(set(texts)) == 3
    assert not any("photograph" in text or "<image>" in text for text in texts)


def test_a_prompt_of_one_s_own_changes_what_is_asked(folder: Path):
    ours, theirs = open_captioner(folder, "cpu"), open_captioner(folder, "cpu", prompt="a red car")
    assert "a red car" in (theirs.text or "")
    assert ours.text != theirs.text
    assert theirs.say(theirs.see(PICTURES), [1, 2, 3], 9) != ours.say(ours.see(PICTURES), [1, 2, 3], 9)


def test_a_question_that_leaves_no_room_for_a_caption_is_said(folder: Path):
    captioner = open_captioner(folder, "cpu", prompt="dog " * 300)
    with pytest.raises(BadConfig, match="tokens that the captioner holds"):
        captioner.say(captioner.see(PICTURES), None, 6)


def test_a_blip2_sees_the_picture_and_an_old_folder_that_would_not_is_refused(tmp_path: Path):
    save_blip2(tmp_path)
    captioner = open_captioner(tmp_path, "cpu")
    assert len(set(captioner.say(captioner.see(PICTURES), None, 6))) > 1
    assert captioner.see(PICTURES)["input_ids"].shape[1] >= 4
    said = json.loads((tmp_path / "config.json").read_text())
    del said["image_token_index"]
    (tmp_path / "config.json").write_text(json.dumps(said))
    with pytest.raises(BadConfig, match="newer revision"):
        open_captioner(tmp_path, "cpu")


class TestGivenCaption(StepContract):
    def step(self) -> Any:
        return GivenCaption()

    def items(self) -> Sequence[Any]:
        return [Sample(image=Address(str(n)), caption=f"picture {n}") for n in range(3)]


def test_a_sample_without_a_caption_fails_and_says_what_to_do(tmp_path: Path):
    samples = [Sample(image=Address("1", "file:a.png")), Sample(image=Address("2"), caption="a man's\n hat ")]
    missing, given = GivenCaption().load(Worker(workspace=tmp_path))(samples)
    assert missing == Failed("", "file:a.png has no caption: name a captioner to make one")
    assert given == ("a man's hat",)
