"""Augmentation of awkward data: one image a class, odd names and sizes, no validation, masks for some or none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from counterfactory.data.read import read
from counterfactory.diffusion.engine import Diffuse
from counterfactory.errors import BadData
from counterfactory.keys import digest
from counterfactory.language.class_prompts.file import read_prompts
from counterfactory.recipes.augmentation import Candidate
from counterfactory.recipes.diagen import Diagen, _saying
from counterfactory.recipes.job import build
from counterfactory.recipes.prepare import validated
from counterfactory.recipes.trials import few_shot
from counterfactory.run import Run
from counterfactory.types import Address, Collection, Dataset, Report, Request, Sample
from counterfactory.worker import Worker
from squares import drawn, squares

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

ODD = ("hot dog", "Bär", "Turkey", "turkey")
SMALL = (12, 9)
QUICK = (
    "seeds=[0]", "per_image=1", "engine.steps=2", "classifier.steps=2", "classifier.size=32", "eyes=null",
    "inversion.schedule.images=4", "inversion.schedule.batch_size=2", "sieve.weigh_by.steps=2",
    "sieve.weigh_by.size=32",
)  # fmt: skip
SCENES = read("diorama:train=6,validation=6,test=3,classes=car+dog+house")


def recipe(name: str, *sets: str) -> Any:
    here = [one for one in QUICK if name == "diagen" or not one.startswith(("inversion", "sieve"))]
    learnt = [one for one in QUICK if name == "da-fusion" and one.startswith("inversion")]
    return build({"job": "augment", "recipe": name, "data": "x"}, None, [*here, *learnt, *sets], None)[1]


def candidates(folder: Path, one: Any, data: Collection) -> list[Candidate]:
    with Run(folder / "run", Worker(workspace=folder)) as run:
        return list(one.draw(run, few_shot(data, one.shots, 0), 0))


def shown(worker: Worker, sample: Sample) -> np.ndarray:
    return np.asarray(worker.pixels.image(sample.image), np.int16)


def odd(folder: Path, count: int, split: str) -> Dataset:
    """Pictures of 12 x 9 pixels of classes with spaces, umlauts and capitals."""
    dice = np.random.default_rng(sum(split.encode()))
    samples = []
    for n in range(count * len(ODD)):
        address = drawn(folder / f"{split}{n}.png", n % 3, dice, 12)
        with_pixels = cut(Path(address.place.removeprefix("file:")))
        samples.append(Sample(image=with_pixels, target=n % len(ODD)))
    return Dataset(samples=tuple(samples), classes=ODD, split=split)


def cut(path: Path) -> Address:
    with Image.open(path) as image:
        image.crop((0, 0, *SMALL)).save(path)
    return Address(digest(path.read_bytes()), f"file:{path}")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    """DIAGen on one image of each odd class, with nothing left for validation."""
    folder = tmp_path_factory.mktemp("odd")
    splits = {"train": odd(folder, 1, "train"), "test": odd(folder, 2, "test")}
    with Run(folder / "run", Worker(workspace=folder)) as run:
        one = recipe("diagen", "shots=1")
        return one.run(run, Collection(name="odd", kind="made up", splits=splits)), folder / "run"


def test_one_image_a_class_of_odd_names_is_drawn_filtered_and_trained_on(told: tuple[Report, Path]):
    report, folder = told
    assert report.numbers["drawn"] == report.numbers["trained on"] == len(ODD)
    assert {path.parent.name for path in (folder / "data/synthetic").glob("*/*.png")} == {
        "hot dog", "Bar-1", "Turkey-2", "turkey-3",
    }  # fmt: skip
    again = read(str(folder / "data"))
    assert again.classes == ODD


def test_a_drawing_of_a_small_source_has_its_size(told: tuple[Report, Path]):
    for path in (told[1] / "data/synthetic").glob("*/*.png"):
        with Image.open(path) as image:
            assert image.size == SMALL


def test_models_of_the_zoo_that_never_saw_the_classes_are_named(told: tuple[Report, Path]):
    assert "The zoo knows Diorama alone: name models of photographs as `engine.pipeline`." in told[0].summary


def test_where_the_prompts_are_is_on_the_page(told: tuple[Report, Path]):
    assert "All prompts are in prompts.csv: edited, they are handed back as `prompts.file`." in told[0].summary
    assert tuple(read_prompts(told[1] / "prompts.csv")) == ODD


def test_prompts_that_are_handed_back_unedited_draw_nothing_anew(tmp_path: Path):
    first = candidates(tmp_path, recipe("text-only", "shots=1"), SCENES)
    handed = recipe("text-only", "shots=1", f"prompts.file={tmp_path / 'run' / 'prompts.csv'}")
    with Run(tmp_path / "again", Worker(workspace=tmp_path)) as run:
        again = handed.draw(run, few_shot(SCENES, 1, 0), 0)
        assert run.made == len(SCENES.classes)  # their prompts, read from the file
    assert [one.sample for one in again] == [one.sample for one in first]


def test_without_images_for_validation_the_page_says_so_and_claims_no_choice(told: tuple[Report, Path]):
    said = " ".join(told[0].summary)
    assert "No images were left for validation, so that the last state of each training counts." in said
    assert "nothing was left to choose by" in said
    assert "best on validation" not in said


def test_the_noise_of_learnt_words_is_in_the_lineage_of_each_drawing(tmp_path: Path):
    one = recipe("diagen", "shots=1", "per_image=3", "noise=[0, 0.01]", "sieve={}")
    found = [each.sample.origin for each in candidates(tmp_path, one, SCENES)]
    noises = [
        (origin.settings.get("token noise"), origin.settings.get("token noise seed")) for origin in found if origin
    ]
    assert [noise for noise, _ in noises] == [None, 0.01, None] * 3
    assert len({seed for _, seed in noises if seed is not None}) == 3


def test_strengths_in_sequence_and_all_but_the_thing(tmp_path: Path):
    one = recipe("da-fusion", "shots=1", "strengths=[0.6, 0.5]", "composed=sequence", "redrawn=surroundings")
    found, worker = candidates(tmp_path, one, SCENES), Worker(workspace=tmp_path)
    assert len(found) == 3
    for each in found:
        source, origin = each.source, each.sample.origin
        assert source is not None
        assert source.mask is not None
        assert origin is not None
        assert (origin.parent, origin.settings["strength"]) == (source.image.digest, "0.6, then 0.5")
        assert each.sample.mask == source.mask
        apart = np.abs(shown(worker, each.sample) - shown(worker, source))
        is_thing = np.asarray(worker.pixels.stored(source.mask)) > 0
        assert apart[is_thing].max() == 0
        assert apart[~is_thing].max() > 8


def test_masks_that_no_image_has_are_not_painted_into(tmp_path: Path):
    bare = replace(SCENES.splits["train"], samples=tuple(replace(s, mask=None) for s in SCENES.splits["train"].samples))
    data = replace(SCENES, splits={**SCENES.splits, "train": bare})
    with pytest.raises(BadData, match="redrawn: object asks for masks, and no training image has one"):
        candidates(tmp_path, recipe("da-fusion", "shots=1", "redrawn=object"), data)


def test_the_scale_of_an_image_prompt_follows_from_how_many_images_the_class_really_has(tmp_path: Path):
    nine = squares(tmp_path, 9)
    one, three, others = (nine.samples[:5:3][:1], nine.samples[::3], nine.samples[1::3])
    dalda = recipe("dalda", "shots=null", "per_image=4")
    with Run(tmp_path / "run", Worker(workspace=tmp_path)) as run:
        alone, beside, grown = (
            dalda.scales(run, replace(nine, samples=samples), 0)[0]
            for samples in (one, (*one, *others), (*three, *others))
        )
    assert alone == beside
    assert all(few != many for few, many in zip(alone, grown, strict=True))


def test_scales_of_image_prompts_in_one_batch_are_what_they_are_alone(tmp_path: Path):
    step = Diffuse(image_prompts="zoo:diorama/ip_adapter", steps=3)
    sources = [sample.image for sample in SCENES.splits["train"].samples[:4]]
    asked = [
        Request(prompt="a photo of a car", seed=n, image_prompt=source, image_prompt_scale=scale)
        for n, (source, scale) in enumerate(zip(sources, (0.1, 0.4, 0.7, 0.9), strict=True))
    ]
    worker = Worker(workspace=tmp_path)
    draw = step.load(worker)
    together = draw(asked)
    for sample, request in zip(together, asked, strict=True):
        [alone] = draw([request])
        assert isinstance(sample, Sample)
        assert isinstance(alone, Sample)
        assert np.abs(shown(worker, sample) - shown(worker, alone)).max() <= 1


def test_where_every_image_is_chosen_a_quarter_is_held_out_and_the_page_says_which(tmp_path: Path):
    data = Collection(name="few", kind="made up", splits={"train": squares(tmp_path, 15)})
    for shots, trained, held, said in (
        (5, 12, 3, "kept by 3 validation images, held out of the training images"),
        (3, 9, 3, "kept by 3 validation images, held out of the training images that were not chosen"),
    ):
        choice = few_shot(data, shots, 0)
        assert (len(choice["train"]), len(choice["validation"])) == (trained, held)
        assert validated(data, choice, shots).endswith(said)


def test_a_validation_of_some_classes_alone_chooses_nothing(tmp_path: Path):
    whole = squares(tmp_path, 15)
    lopsided = replace(whole, samples=whole.samples[:9] + tuple(s for s in whole.samples[9:] if s.target == 0))
    data = Collection(name="few", kind="made up", splits={"train": lopsided})
    choice = few_shot(data, 3, 0)
    assert set(choice) == {"train"}
    assert "no images were left" in validated(data, choice, 3)


@pytest.mark.parametrize(
    ("prompt", "name", "said"),
    [
        ("a photo of a car in snow", "car", "a photo of a <x> in snow"),
        ("a photo of a \U0001f600", "\U0001f600", "a photo of a <x>"),
        ("a street at night", "car", "<x>, a street at night"),
    ],
)
def test_each_prompt_of_diagen_has_the_learnt_word(prompt: str, name: str, said: str):
    assert _saying(prompt, name, "<x>") == said


def test_diagen_trains_its_filter_as_published():
    found = Diagen.paper().sieve.weigh_by
    assert found is not None
    assert (found.augment, found.balanced, found.patience, found.evaluate_every) == ("randaugment", True, 6, 200)
    assert (found.steps, found.batch_size, found.learning_rate, found.weight_decay) == (10_000, 16, 1e-4, 0.01)
