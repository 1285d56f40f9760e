"""How sure a classifier is over views of an image: what follows from the image, and what from the classifier."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from counterfactory.classify import confidence
from counterfactory.classify.confidence import Confidence
from counterfactory.classify.models import SmallResNet
from counterfactory.classify.predict import Classify
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.errors import BadData
from counterfactory.run import Run
from counterfactory.testing import StepContract
from counterfactory.types import Address, Artifact, Failed
from squares import squares, worker

TINY = ClassifierTrainer(model=SmallResNet(width=8), size=32, steps=40, batch_size=12, augment="none")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that a short training on toy squares left."""
    folder = tmp_path_factory.mktemp("trained")
    datasets = {"train": squares(folder, 18), "validation": squares(folder, 12, "validation")}
    TINY.fit(worker(folder), folder / "artifact", datasets)
    return folder / "artifact"


def images(folder: Path, count: int = 6) -> list[Address]:
    return [sample.image for sample in squares(folder / "images", count, "test").samples]


class TestConfidence(StepContract):
    """The step's contract; numbers may differ in the last places between batch sizes."""

    @pytest.fixture(autouse=True)
    def _folder(self, trained: Path, tmp_path: Path) -> None:
        self.trained, self.folder = str(trained), tmp_path

    def step(self) -> Any:
        return Confidence(classifier=self.trained, views=3)

    def items(self) -> Sequence[Any]:
        return images(self.folder)

    def same(self, one: Any, other: Any) -> bool:
        return bool(np.allclose(one, other, atol=1e-5))


def asked(trained: Path, folder: Path, **fields: Any) -> np.ndarray:
    """Probabilities (N, C) of some squares."""
    return np.array(Confidence(classifier=str(trained), **fields).load(worker(folder))(images(folder)))


def test_a_square_of_a_colour_is_of_its_class(trained: Path, tmp_path: Path):
    found = asked(trained, tmp_path)
    assert found.argmax(1).tolist() == [0, 1, 2, 0, 1, 2]
    assert found.sum(1) == pytest.approx(np.ones(6), abs=1e-5)


def test_of_an_image_as_it_is_it_says_what_the_classifier_says(trained: Path, tmp_path: Path):
    plain = Classify(classifier=str(trained)).load(worker(tmp_path))(images(tmp_path))
    assert asked(trained, tmp_path, augment="none") == pytest.approx(np.array(plain), abs=1e-6)
    assert np.abs(asked(trained, tmp_path) - np.array(plain)).max() > 1e-3


@pytest.mark.parametrize("augment", ["standard", "randaugment"])
def test_it_is_the_mean_over_views_that_follow_from_the_image_alone(trained: Path, tmp_path: Path, augment: str):
    found = asked(trained, tmp_path, augment=augment, views=4)
    assert np.array_equal(found, asked(trained, tmp_path, augment=augment, views=4))
    assert not np.allclose(found, asked(trained, tmp_path, augment=augment, views=1), atol=1e-4)


def test_images_are_asked_a_few_at_a_time(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = asked(trained, tmp_path)
    for most in (10, 3):  # two images with their views, and less than one
        monkeypatch.setattr(confidence, "ASKED", most)
        assert asked(trained, tmp_path) == pytest.approx(whole, abs=1e-5)


def test_it_is_calibrated_and_an_artifact_is_found(trained: Path, tmp_path: Path):
    artifact, place = Artifact(kind="classifier", key="k"), worker(tmp_path)
    folder = place.artifact(artifact)
    folder.mkdir(parents=True)
    for file in trained.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "calibration.json").write_text(json.dumps({"temperature": 1e6}))
    found = Confidence(classifier=artifact).load(place)(images(tmp_path))
    assert np.array(found) == pytest.approx(np.full((6, 3), 1 / 3), abs=1e-4)


def test_classes_come_in_the_order_that_is_asked_for(trained: Path, tmp_path: Path):
    turned = asked(trained, tmp_path, classes=("Blue", "green", "red"))
    assert np.array_equal(turned[:, ::-1], asked(trained, tmp_path))
    with pytest.raises(BadData, match="classifier knows 3 classes"):
        asked(trained, tmp_path, classes=("cat", "dog", "cow"))


def test_a_damaged_image_is_a_failed_row_and_the_others_stand(trained: Path, tmp_path: Path):
    path = tmp_path / "damaged.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    one, other = images(tmp_path, 2)
    place = worker(tmp_path)
    with Run(place.workspace / "run", place) as run:
        rows = list(run.map(Confidence(classifier=str(trained)), [one, Address("damaged", f"file:{path}"), other]))
    assert [isinstance(row, Failed) for row in rows] == [False, True, False]
