"""The checks of counterfactuals, with the zoo's own models, on scenes whose true counterfactuals are known."""

from dataclasses import replace
from pathlib import Path

import pytest

from counterfactory.data.diorama.captions import caption
from counterfactory.data.diorama.place import image_address, scene_at
from counterfactory.data.diorama.world import CLASSES, Scene, changed
from counterfactory.recipes.checks import Checks, Verdict
from counterfactory.recipes.scores import Made
from counterfactory.run import Run
from counterfactory.types import Dataset, Sample
from counterfactory.worker import Worker
from counterfactory.zoo.world import seen_scenes

REAL = seen_scenes("validation", 40)
SAID = [(sample, caption(scene_at(sample.image.place))) for sample in REAL.samples]
CHECKS = Checks(clip="zoo:diorama/clip", classifier="zoo:diorama/classifier")


def run(folder: Path) -> Run:
    return Run(folder / "run", Worker(workspace=folder, batch_size=64))


def made(kind: str, **changes: str) -> Made:
    """A clear day's scene of a class on grass, and what it becomes."""
    start = next(s for s in map(scene_at, (s.image.place for s in REAL.samples)) if s.kind == kind)
    source = changed(start, surface="grass", weather="clear", time="day", colour="red")
    target = changed(source, **changes)
    return Made(source=sample(source), before=caption(source), after=caption(target), drawn=sample(target))


def sample(scene: Scene) -> Sample:
    return Sample(image=image_address(scene, 64), target=CLASSES.index(scene.kind))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    true = {
        "fog": made("car", weather="fog"),
        "night": made("dog", time="night"),
        "blue": made("house", colour="blue"),
    }
    false = {
        "source again": replace(true["fog"], drawn=true["fog"].source),
        "another class": replace(true["night"], drawn=made("car", time="night").drawn),
        "another edit": replace(true["blue"], drawn=made("house", weather="snow").drawn),
    }
    with run(tmp_path_factory.mktemp("checks")) as one:
        verdicts, bounds = CHECKS.verdicts(one, [*true.values(), *false.values()], REAL, SAID)
    assert set(bounds) == {"text", "image", "direction", "preference", "confidence", "change"}
    return dict(zip([*true, *false], verdicts, strict=True))


@pytest.mark.parametrize("name", ["fog", "night", "blue"])
def test_a_true_counterfactual_counts(found: dict[str, Verdict], name: str):
    assert found[name].reasons == ()
    assert found[name].scores["preference"] > 0


def test_a_picture_that_is_its_source_again_does_not_count(found: dict[str, Verdict]):
    reasons = " ".join(found["source again"].reasons)
    assert "its source again (change 0.00 below" in reasons
    assert "fits the old words better" in reasons


def test_a_picture_of_another_class_does_not_count(found: dict[str, Verdict]):
    assert any("does not see the label" in reason for reason in found["another class"].reasons)


def test_a_picture_with_another_edit_does_not_count(found: dict[str, Verdict]):
    assert any(reason.startswith("the picture") for reason in found["another edit"].reasons)


def test_stricter_checks_ask_for_more(tmp_path: Path):
    with run(tmp_path) as one:
        usual, strict = (
            checks.bounds(one, REAL, SAID) for checks in (CHECKS, CHECKS.model_copy(update={"strictness": 0.3}))
        )
    assert all(strict[name] >= usual[name] for name in usual if name != "change")
    assert strict["change"] <= usual["change"]


def test_only_what_is_named_and_has_a_model_is_checked(tmp_path: Path):
    with run(tmp_path) as one:
        assert set(Checks(names=("change", "text")).bounds(one, REAL, SAID)) == {"change"}
        assert Checks().verdicts(one, [], REAL, SAID) == ([], {})


def test_without_pairs_that_set_thresholds_only_the_change_is_checked_and_this_is_told(tmp_path: Path):
    alone, told = Dataset(samples=REAL.samples[:1], classes=CLASSES, split="validation"), list[str]()
    with run(tmp_path) as one:
        one.watcher.note = told.append  # type: ignore[method-assign]
        (verdict,), bounds = CHECKS.verdicts(one, [made("car", weather="fog")], alone, SAID[:1])
    assert set(bounds) == set(verdict.scores) == {"change"}
    assert "no two images of one class" in told[0]
