"""Captions from an endpoint that sees: what is sent, what is kept, and replies that are none."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bad_server import HTML, BadServer, Says, answer, completion, prompt, trouble
from counterfactory.asking.endpoint import Endpoint
from counterfactory.caption.endpoint import AskCaption
from counterfactory.errors import Unavailable
from counterfactory.pixels import encode_png
from counterfactory.run import Run
from counterfactory.testing import StepContract
from counterfactory.types import Address, Failed, Sample
from counterfactory.worker import Worker


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "AZURE_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Sample]:
    """Three wide pictures, each of one colour."""
    found = []
    for colour in ("red", "green", "blue"):
        path = tmp_path / f"{colour}.png"
        path.write_bytes(encode_png(Image.new("RGB", (800, 200), colour)))
        found.append(Sample(image=Address(colour, f"file:{path}")))
    return found


def shown(said: dict[str, Any]) -> Image.Image:
    """The picture that was sent."""
    url = said["messages"][0]["content"][1]["image_url"]["url"]
    head, _, data = url.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def looks(said: dict[str, Any]) -> Says:
    """A server that sees which colour it is shown."""
    values = shown(said).getpixel((5, 5))
    name = ("red", "green", "blue")[max(range(3), key=lambda channel: values[channel])]  # type: ignore[index]
    return answer(captions=[f"a {name} wall in a man's garden", f"a wall, {name}"])


def step(server: BadServer, **fields: Any) -> AskCaption:
    speaking = Endpoint(model="eyes", base_url=server.url, pause=0.01, timeout=5, tries=2)
    return AskCaption(endpoint=speaking, **fields)


class TestAskCaption(StepContract):
    @pytest.fixture(autouse=True)
    def _serve(self, pictures: list[Sample]) -> Any:
        self.pictures = pictures
        with BadServer(looks) as self.server:
            yield

    def step(self) -> Any:
        return step(self.server)

    def items(self) -> Sequence[Any]:
        return [self.pictures[0], *(sample.image for sample in self.pictures[1:])]


def test_a_picture_is_sent_small_and_its_captions_come_back(pictures: list[Sample], tmp_path: Path):
    with BadServer(looks) as server:
        found = step(server, captions=2, side=100).load(Worker(workspace=tmp_path))(pictures)
    assert found[0] == ("a red wall in a man's garden", "a wall, red")
    assert [texts[0].split()[1] for texts in found] == ["red", "green", "blue"]
    assert shown(server.asked[0]).size == (100, 25)
    assert "Write 2 such captions" in prompt(server.asked[0])


def test_a_prompt_of_one_s_own_still_asks_for_the_form(pictures: list[Sample], tmp_path: Path):
    with BadServer(looks) as server:
        step(server, prompt="Which colour is the wall?").load(Worker(workspace=tmp_path))(pictures[:1])
    assert prompt(server.asked[0]).startswith("Which colour is the wall?\n\nAnswer with nothing but JSON")


def test_a_picture_is_captioned_once_ever_even_where_its_result_was_lost(pictures: list[Sample], tmp_path: Path):
    with BadServer(looks) as server:
        with Run(tmp_path / "runs" / "one", Worker(workspace=tmp_path / "runs")) as run:
            list(run.map(step(server), pictures))
        assert len(server.asked) == 3
        (tmp_path / "runs" / "store.db").unlink()
        for sample in pictures:  # what was answered needs no picture
            Path(sample.image.place.removeprefix("file:")).unlink()
        with Run(tmp_path / "runs" / "two", Worker(workspace=tmp_path / "runs")) as run:
            assert len(list(run.map(step(server), pictures))) == 3
        assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (answer(captions=[]), "expected 1 different captions and there are 0"),
        (answer(captions=["..."]), "a caption has no words"),
        (answer(captions=["word " * 200]), "more than 500 characters"),
        (answer(caption="a dog"), "captions: Field required"),
        (completion('{"captions": ["a man\'s'), "before it is whole"),
        (completion("I'm sorry, but I can't look at photographs."), "I'm sorry"),
        (completion("", refusal="no people"), "the model refused: no people"),
    ],
)
def test_a_reply_that_is_no_caption_is_a_failed_row(pictures: list[Sample], tmp_path: Path, says: Says, reason: str):
    with BadServer(says) as server:
        (failed,) = step(server).load(Worker(workspace=tmp_path))(pictures[:1])
        assert len(server.asked) <= 2
    assert isinstance(failed, Failed)
    assert reason in failed.reason


def test_a_list_alone_is_understood(pictures: list[Sample], tmp_path: Path):
    with BadServer(completion('["a dog"]')) as server:
        assert step(server).load(Worker(workspace=tmp_path))(pictures[:1]) == [("a dog",)]


def test_a_damaged_picture_fails_alone(pictures: list[Sample], tmp_path: Path):
    path = tmp_path / "damaged.jpg"
    path.write_bytes(b"\xff\xd8\xff nothing")
    damaged = Sample(image=Address("damaged", f"file:{path}"))
    with BadServer(looks) as server:
        found = step(server).load(Worker(workspace=tmp_path))([pictures[0], damaged, pictures[1]])
        assert len(server.asked) == 2
    assert "cannot be decoded" in found[1].reason
    assert found[2][0].startswith("a green wall")


@pytest.mark.parametrize("says", [HTML, trouble(401, "no"), trouble(404, "this model cannot see")])
def test_an_endpoint_that_cannot_do_it_ends_it(pictures: list[Sample], tmp_path: Path, says: Says):
    with BadServer(says) as server:
        with pytest.raises(Unavailable):
            step(server).load(Worker(workspace=tmp_path))(pictures)
        assert len(server.asked) < 8
