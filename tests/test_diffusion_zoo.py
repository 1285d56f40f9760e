"""What the zoo's models may see, and the command that trains them."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from diffusers import AutoencoderTiny

from counterfactory.data.diorama.world import CLASSES, SURFACES, WEATHERS
from counterfactory.errors import BadConfig
from counterfactory.zoo.train import main
from counterfactory.zoo.world import UNSEEN_CLASS, UNSEEN_PAIRS, seen_scenes

SCENES = seen_scenes("train", 2000).samples


def pairs() -> set[tuple[object, object]]:
    return {(sample.attributes["class"], sample.attributes["surface"]) for sample in SCENES}


def test_what_is_kept_from_the_models_is_not_among_their_scenes():
    assert not pairs() & set(UNSEEN_PAIRS)
    assert UNSEEN_CLASS not in {sample.attributes["class"] for sample in SCENES}
    assert not any(UNSEEN_CLASS in (sample.caption or "") for sample in SCENES)


def test_all_else_is_seen():
    assert pairs() == {(kind, surface) for kind in CLASSES for surface in SURFACES} - set(UNSEEN_PAIRS)
    assert {sample.attributes["weather"] for sample in SCENES} == set(WEATHERS)


def test_classes_and_surfaces_of_unseen_pairs_are_seen_apart():
    for kind, surface in UNSEEN_PAIRS:
        assert kind in {seen for seen, _ in pairs()}
        assert surface in {seen for _, seen in pairs()}


def test_a_longer_set_begins_like_a_shorter_one():
    sets = [seen_scenes("train", number).samples for number in (5, 10, 20)]
    assert all(longer[: len(shorter)] == shorter for shorter, longer in pairwise(sets))
    assert not {s.image for s in seen_scenes("validation", 200).samples} & {s.image for s in SCENES}


def test_the_command_trains_a_model_and_goes_on_with_more_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    said = ["--model", "autoencoder", "--folder", str(tmp_path), "--scenes", "16", "--batch", "1"]
    main([*said, "--minutes", "0.001"])
    first = json.loads(capsys.readouterr().out)
    main([*said, "--minutes", "0.03"])
    second = json.loads(capsys.readouterr().out)
    assert second["images"] > first["images"] > 0
    assert AutoencoderTiny.from_pretrained(tmp_path / "autoencoder").config.scaling_factor == second["scaling_factor"]


def test_without_an_autoencoder_the_next_model_says_what_to_train_first(tmp_path: Path):
    with pytest.raises(BadConfig, match="--model autoencoder"):
        main(["--model", "latent", "--minutes", "1", "--folder", str(tmp_path), "--scenes", "4"])
