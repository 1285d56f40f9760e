"""Learnt tokens: their names and files, what a prompt becomes with them, noise on their vectors, and drawings."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file

from companions import save_base
from counterfactory import codec
from counterfactory.diffusion.drawing import Parts, draw, open_parts
from counterfactory.diffusion.engine import Diffuse
from counterfactory.diffusion.foreign_tokens import convert_tokens
from counterfactory.diffusion.prompts import understood
from counterfactory.diffusion.seeing import with_tokens
from counterfactory.diffusion.spelling import Saying, cut, moved, spelled
from counterfactory.diffusion.tokens import INDEX, class_tokens, kept_tokens, load_tokens, save_tokens
from counterfactory.errors import BadConfig, UnknownName
from counterfactory.keys import key
from counterfactory.names import identity
from counterfactory.testing import EngineContract
from counterfactory.training.pictures import to_pixels
from counterfactory.training.tokenizer import tokens as numbers
from counterfactory.types import Failed, Request, Sample, TokenNoise
from counterfactory.worker import Worker
from tiny_pipelines import save_flux, save_sdxl

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

CLASSES = ("car", "dog", "hot dog")
NOISE = TokenNoise(deviation=0.5, seed=3)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two pipelines, and for each the tokens of three classes, of which one has two vectors."""
    where = tmp_path_factory.mktemp("pipelines")
    found = {"base": save_base(where / "base"), "sdxl": save_sdxl(where / "sdxl")}
    for folder in found.values():
        listen(folder)
    for name in ("base", "sdxl"):
        made = made_tokens(open_parts(str(found[name]), "cpu"))
        save_tokens(where / f"{name}-tokens", made, class_tokens(CLASSES))
        found[f"{name}-tokens"] = where / f"{name}-tokens"
    return found


@pytest.fixture(scope="module")
def parts(folders: dict[str, Path]) -> Parts:
    return with_tokens(open_parts(str(folders["base"]), "cpu"), folders["base-tokens"])


def listen(folder: Path) -> None:
    """Makes what the text says count: a network that has learnt nothing all but ignores it."""
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    with torch.no_grad():
        for name, weight in unet.named_parameters():
            if "attn2.to_out" in name or "attn2.to_v" in name:
                weight.mul_(25)
    unet.save_pretrained(folder / "unet")


def made_tokens(parts: Parts) -> dict[str, tuple[torch.Tensor, ...]]:
    """Vectors at random, as large as those of words."""
    generator = torch.Generator().manual_seed(0)
    tables = [reader.encoder.get_input_embeddings().weight for reader in parts.readers]
    made: dict[str, tuple[torch.Tensor, ...]] = {}
    for token, vectors in zip(class_tokens(CLASSES).values(), (1, 2, 1), strict=True):
        drawn = [torch.randn(vectors, table.shape[1], generator=generator) for table in tables]
        made[token] = tuple(3 * table.std() * one for table, one in zip(tables, drawn, strict=True))
    return made


def step(folders: dict[str, Path], name: str = "base", **more: Any) -> Diffuse:
    said = {"pipeline": str(folders[name]), "tokens": str(folders[f"{name}-tokens"]), "steps": 2}
    return Diffuse.model_validate({**said, **more})


def drawn(step: Diffuse, folder: Path, *requests: Request) -> list[Sample | Failed]:
    return list(step.load(Worker(workspace=folder, processes=1))(requests))


def pixels(folder: Path, sample: Sample | Failed) -> np.ndarray:
    assert isinstance(sample, Sample), sample
    return np.asarray(Worker(workspace=folder).pixels.image(sample.image), np.int16)


def ask(prompt: str, **more: Any) -> Request:
    return Request(**{"prompt": prompt, "seed": 1, "guidance": 2.0, **more})


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")
class TestContract(EngineContract):
    """With and without noise in one batch."""

    @pytest.fixture(autouse=True)
    def _folders(self, folders: dict[str, Path]) -> None:
        self.folders = folders

    def step(self) -> Diffuse:
        return step(self.folders)

    def items(self) -> list[Request]:
        words = ("a photo of <car>", "<dog> on grass", "a cup")
        plain = [Request(prompt=word, seed=n, label=n, size=(16, 16)) for n, word in enumerate(words)]
        noises = (NOISE, replace(NOISE, relative=True, seed=9))
        return [*plain, *(replace(plain[0], noise=noise) for noise in noises)]


def test_each_class_has_a_token_of_its_own_whatever_it_is_called():
    names = ("car", "Car", "CAR", "hot dog", "hot_dog", "Bär", "bar", "Straße", "猫", "犬", "colt's foot", "car-1", "7")
    found = class_tokens(names)
    assert len({token.lower() for token in found.values()}) == len(names)
    assert (found["car"], found["bar"], found["Straße"], found["7"]) == ("<car>", "<bar>", "<strasse>", "<7>")
    assert all(token.isascii() and token == token.lower() and " " not in token for token in found.values())
    assert class_tokens(names[::-1]) == found
    assert class_tokens(["hot dog", "car"]) == {"hot dog": "<hot-dog>", "car": "<car>"}


def test_a_thousand_classes_in_another_script_have_a_thousand_tokens():
    assert len(set(class_tokens([chr(0x4E00 + n) for n in range(1000)]).values())) == 1000


def test_a_token_is_never_found_inside_of_a_word_or_of_another_token():
    learnt = ("<car>", "<carrot>", "sks", "<car>_2")
    assert cut("a <car>, a car and a <carrot>", learnt) == ["a ", "<car>", ", a car and a ", "<carrot>", ""]
    assert cut("asks sks tasks sks.", learnt) == ["asks ", "sks", " tasks ", "sks", "."]
    assert cut("<car>_2 <cart> <Car>", learnt) == ["", "<car>_2", " <cart> <Car>"]
    assert cut("a car", ()) == ["a car"]


def test_a_learnt_token_takes_as_many_places_as_it_has_vectors(parts: Parts):
    (reader,) = parts.readers
    spelling = spelled(reader, [Saying("a <car> on grass"), Saying("a car"), Saying("<dog> <dog>")])
    assert spelling.rows == (0, 2, 2, 2, 2)
    assert spelling.columns == (2, 1, 2, 3, 4)
    before, after = (reader.tokenizer(said, add_special_tokens=False).input_ids for said in ("a", "on grass"))
    said, begin, end = spelling.ids[0].tolist(), reader.tokenizer.bos_token_id, reader.tokenizer.eos_token_id
    assert said[: 4 + len(after)] == [begin, *before, begin, *after, end]
    assert torch.equal(spelling.ids[1:2], numbers(reader.tokenizer, ["a car"]))
    assert torch.equal(torch.stack(list(spelling.vectors[1:3])), parts.tokens["<dog>"][0])


def test_texts_that_are_cut_in_pieces_are_spelled_as_in_one(parts: Parts):
    (reader,) = parts.readers
    pieces = reader.tokenizer("car", add_special_tokens=False).input_ids
    known = replace(reader, learnt={"<word>": reader.encoder.get_input_embeddings().weight[pieces]})
    texts = ("a red <word> on grass", "<word>", "a dog and a <word>, at night " * 9)
    as_learnt = understood([known], [Saying(text) for text in texts], torch.float32)
    as_said = understood([reader], [Saying(text.replace("<word>", "car")) for text in texts], torch.float32)
    for one, other in zip(as_learnt, as_said, strict=True):
        assert torch.allclose(one.each, other.each, atol=1e-6)


def test_drawings_agree_with_diffusers_that_loaded_the_same_files(folders: dict[str, Path], parts: Parts):
    pipeline = StableDiffusionPipeline.from_pretrained(folders["base"])
    pipeline.set_progress_bar_config(disable=True)
    for token, file in json.loads((folders["base-tokens"] / INDEX).read_text())["tokens"].items():
        pipeline.load_textual_inversion(folders["base-tokens"] / file, token=token)
    for prompt in ("a photo of <car> on grass", "<dog> and <hot-dog>", "a car and a dog"):
        (theirs,) = pipeline(
            prompt,
            num_inference_steps=2,
            guidance_scale=2.0,
            generator=torch.Generator().manual_seed(1),
            output_type="pt",
        ).images
        ours = (draw(parts, [ask(prompt)], steps=2)[0] + 1) / 2
        assert torch.allclose(ours, theirs, atol=1e-4)


def test_drawings_of_sdxl_agree_with_diffusers_that_loaded_the_same_files(folders: dict[str, Path]):
    pipeline = StableDiffusionXLPipeline.from_pretrained(folders["sdxl"])
    pipeline.set_progress_bar_config(disable=True)
    both = ((pipeline.tokenizer, pipeline.text_encoder), (pipeline.tokenizer_2, pipeline.text_encoder_2))
    held = load_file(folders["sdxl-tokens"] / "dog.safetensors")
    for name, (tokenizer, encoder) in zip(("clip_l", "clip_g"), both, strict=True):
        pipeline.load_textual_inversion(held[name], token="<dog>", tokenizer=tokenizer, text_encoder=encoder)  # noqa: S106
    theirs = pipeline(
        "a photo of <dog>",
        num_inference_steps=2,
        guidance_scale=2.0,
        generator=torch.Generator().manual_seed(1),
        output_type="pt",
    ).images
    parts = with_tokens(open_parts(str(folders["sdxl"]), "cpu"), folders["sdxl-tokens"])
    ours = (draw(parts, [ask("a photo of <dog>")], steps=2) + 1) / 2
    assert torch.allclose(ours, theirs, atol=1e-4)


def test_the_end_of_a_text_stays_its_end_for_encoders_that_look_for_the_largest_number(folders: dict[str, Path]):
    parts = with_tokens(open_parts(str(folders["sdxl"]), "cpu"), folders["sdxl-tokens"])
    parts.text_encoder_2.text_model.eos_token_id = parts.tokenizer_2.eos_token_id
    (heard,) = understood(parts.readers, [Saying("a <car> on grass")], torch.float32)
    parts.text_encoder_2.text_model.eos_token_id = 2  # as in the published settings
    (again,) = understood(parts.readers, [Saying("a <car> on grass")], torch.float32)
    assert torch.equal(heard.whole, again.whole)


def test_tokens_touch_no_other_prompt_and_nothing_on_disk(folders: dict[str, Path], tmp_path: Path):
    before = {path: path.read_bytes() for path in folders["base"].rglob("*") if path.is_file()}
    prompts = [ask("a car"), ask("a carrot"), ask("a <car>")]
    with_ = drawn(step(folders), tmp_path, *prompts)
    without = drawn(step(folders, tokens=None), tmp_path, *prompts)
    assert [one.image for one in with_[:2]] == [one.image for one in without[:2]]
    assert with_[2].image != without[2].image
    assert before == {path: path.read_bytes() for path in folders["base"].rglob("*") if path.is_file()}


def test_origin_names_the_tokens_beside_the_pipeline(folders: dict[str, Path], tmp_path: Path):
    (sample,) = drawn(step(folders), tmp_path, ask("a <car>"))
    base, tokens = (str(folders[name]) for name in ("base", "base-tokens"))
    assert isinstance(sample, Sample)
    assert sample.origin.model == f"{base} {identity(base)} with {tokens} {identity(tokens)}"


def test_sdxl_draws_tokens_and_their_noise(folders: dict[str, Path], tmp_path: Path):
    plain, noisy = drawn(step(folders, "sdxl"), tmp_path, ask("a <dog>"), ask("a <dog>", noise=NOISE))
    assert np.abs(pixels(tmp_path, plain) - pixels(tmp_path, noisy)).max() > 2


def test_noise_has_the_deviation_that_was_asked_for():
    vectors = torch.randn(4, 20_000, generator=torch.Generator().manual_seed(0))
    drawn = (moved(vectors, TokenNoise(deviation=0.025, seed=1), "<car>") - vectors) / 0.025
    assert drawn.mean().item() == pytest.approx(0, abs=4 / math.sqrt(80_000))
    assert drawn.std().item() == pytest.approx(1, abs=4 / math.sqrt(160_000))
    assert np.corrcoef(drawn.numpy())[0, 1] == pytest.approx(0, abs=4 / math.sqrt(20_000))
    assert drawn.abs().lt(1).float().mean().item() == pytest.approx(0.6827, abs=0.01)


def test_relative_noise_is_as_long_as_its_share_of_the_vector():
    directions = torch.randn(3, 20_000, generator=torch.Generator().manual_seed(0))
    vectors = directions * torch.tensor([[0.01], [1.0], [40.0]])
    noise = TokenNoise(deviation=0.1, seed=1, relative=True)
    lengths = (moved(vectors, noise, "<car>") - vectors).norm(dim=1) / vectors.norm(dim=1)
    assert lengths.tolist() == pytest.approx([0.1] * 3, rel=0.02)


def test_noise_follows_from_seed_token_and_encoder_alone():
    vectors = torch.zeros(2, 8)
    first = moved(vectors, NOISE, "<car>")
    assert torch.equal(first, moved(vectors, NOISE, "<car>"))
    others = (
        moved(vectors, replace(NOISE, seed=4), "<car>"),
        moved(vectors, NOISE, "<dog>"),
        moved(vectors, NOISE, "<car>", 1),
    )
    assert not any(torch.equal(first, other) for other in others)
    assert torch.allclose(moved(vectors, replace(NOISE, deviation=1.0), "<car>"), 2 * first)
    assert torch.equal(moved(vectors + 1, replace(NOISE, deviation=0.0), "<car>"), vectors + 1)


def test_pictures_with_and_without_noise_are_in_one_batch_what_they_are_alone(folders: dict[str, Path], tmp_path: Path):
    noises = (None, NOISE, replace(NOISE, seed=8), replace(NOISE, deviation=6.0, relative=True), NOISE)
    requests = [ask("a photo of <dog>", noise=noise, guidance=30.0) for noise in noises]
    together = drawn(step(folders), tmp_path, *requests)
    for request, sample in zip(requests, together, strict=True):
        (alone,) = drawn(step(folders), tmp_path, request)
        assert np.abs(pixels(tmp_path, alone) - pixels(tmp_path, sample)).max() <= 1
    plain, first, other, relative, again = (pixels(tmp_path, sample) for sample in together)
    assert np.array_equal(first, again)
    assert min(np.abs(plain - first).max(), np.abs(first - other).max(), np.abs(first - relative).max()) > 2


def test_noise_moves_the_prompt_s_vectors_and_no_other_text(folders: dict[str, Path], parts: Parts, tmp_path: Path):
    request = ask("a <car>", noise=NOISE, guidance=1.0, negative_prompt="<dog>")
    (sample,) = drawn(step(folders), tmp_path, request)
    (vectors,) = parts.tokens["<car>"]
    moved_ = {**parts.tokens, "<car>": (moved(vectors, NOISE, "<car>"),)}
    by_hand = draw(replace(parts, tokens=moved_), [replace(request, noise=None)], steps=2)
    assert np.abs(pixels(tmp_path, sample) - to_pixels(by_hand)[0]).max() <= 1


def test_noise_is_part_of_a_request_and_changes_no_key_without_it():
    plain = Request(prompt="a <car>", seed=0)
    noisy = replace(plain, noise=NOISE)
    assert codec.decode(codec.encode(noisy)) == noisy
    assert len({key(plain), key(noisy), key(replace(noisy, noise=replace(NOISE, relative=True)))}) == 3
    assert key(plain) == key(replace(plain, noise=None))


@pytest.mark.parametrize(
    ("request_", "tokens", "words"),
    [
        ({"prompt": "a <caar>"}, True, "token <caar> was not learnt. Did you mean '<car>'?"),
        ({"prompt": "a cup", "negative_prompt": "<Car>"}, True, "token <Car> was not learnt"),
        ({"prompt": "a car", "noise": NOISE}, True, "moves learnt tokens, and the prompt has none"),
        ({"prompt": "a <car>", "noise": NOISE}, False, "the engine has none: name them in its field `tokens`"),
        ({"prompt": "a dog on grass " * 9 + "<car>"}, True, "stands beyond the 32 tokens that this pipeline reads"),
        ({"prompt": "a <car>", "noise": TokenNoise(deviation=-1.0, seed=0)}, True, "-1.0 is no deviation"),
    ],
)
def test_what_cannot_be_said_fails_alone_with_one_sentence(
    folders: dict[str, Path], tmp_path: Path, request_: dict[str, Any], tokens: bool, words: str
):
    step_ = step(folders) if tokens else step(folders, tokens=None)
    good, bad = drawn(step_, tmp_path, ask("a cup"), ask(**request_))
    assert isinstance(good, Sample)
    assert words in bad.reason


def test_a_pipeline_that_is_borrowed_takes_neither_tokens_nor_their_noise(folders: dict[str, Path], tmp_path: Path):
    flux = save_flux(tmp_path / "flux")
    with pytest.raises(BadConfig, match=r"tokens: the pipeline in .* is drawn from by its own call"):
        step(folders, pipeline=str(flux)).load(Worker(workspace=tmp_path))
    (failed,) = drawn(step(folders, pipeline=str(flux), tokens=None), tmp_path, ask("a car", noise=NOISE))
    assert "without noise on learnt tokens" in failed.reason


def test_tokens_of_another_pipeline_are_refused_when_they_are_loaded(folders: dict[str, Path], tmp_path: Path):
    worker = Worker(workspace=tmp_path)
    with pytest.raises(BadConfig, match="encoders of 16 and 24 numbers a word, and this pipeline's are of 16;"):
        step(folders, tokens=str(folders["sdxl-tokens"])).load(worker)
    with pytest.raises(BadConfig, match="encoders of 16 numbers a word, and this pipeline's are of 16 and 24;"):
        step(folders, "sdxl", tokens=str(folders["base-tokens"])).load(worker)
    with pytest.raises(BadConfig, match=f"holds no learnt tokens: expected a {INDEX}"):
        step(folders, tokens=str(folders["base"])).load(worker)


def test_what_is_kept_is_read_again_and_a_class_without_a_token_is_named(folders: dict[str, Path]):
    kept = load_tokens(folders["sdxl-tokens"])
    for token, vectors in made_tokens(open_parts(str(folders["sdxl"]), "cpu")).items():
        assert all(map(torch.equal, kept[token], vectors))
    assert kept_tokens(folders["base-tokens"], ["hot dog"]) == {"hot dog": "<hot-dog>"}
    with pytest.raises(BadConfig, match="no token for 'cat' and 1 more of the classes, but for: car, dog, hot dog"):
        kept_tokens(folders["base-tokens"], ["dog", "cat", "cup"])


def test_a_damaged_file_of_vectors_is_named(folders: dict[str, Path], tmp_path: Path):
    save_tokens(tmp_path, {"<car>": (torch.zeros(1, 4),)}, {"car": "<car>"})
    (tmp_path / "car.safetensors").write_bytes(b"damaged")
    with pytest.raises(BadConfig, match=r"car\.safetensors cannot be read"):
        load_tokens(tmp_path)
    save_file({"<cat>": torch.zeros(4)}, tmp_path / "car.safetensors")
    with pytest.raises(BadConfig, match="holds <cat>: expected vectors under '<car>'"):
        load_tokens(tmp_path)


def test_diagen_s_dictionary_is_converted(folders: dict[str, Path], tmp_path: Path):
    vectors = {token: torch.randn(16) for token in ("<car>", "<hot_dog>", "<car_0.005>")}
    torch.save(vectors, tmp_path / "tokens.pt")
    said = convert_tokens(tmp_path / "tokens.pt", tmp_path / "all")
    assert said == {"car": "<car>", "hot_dog": "<hot_dog>", "car_0.005": "<car_0.005>"}
    classes = {"hot dog": "<hot_dog>", "car": "<car>"}
    assert convert_tokens(tmp_path / "tokens.pt", tmp_path / "two", classes) == classes
    assert kept_tokens(tmp_path / "two", CLASSES[::2]) == {"car": "<car>", "hot dog": "<hot_dog>"}
    assert all(torch.equal(load_tokens(tmp_path / "two")[token][0][0], one) for token, one in vectors.items())
    one, other = drawn(step(folders, tokens=str(tmp_path / "two")), tmp_path, ask("a <hot_dog>"), ask("a <car_0.005>"))
    assert one.image != other.image
    with pytest.raises(UnknownName, match="'<cars>'"):
        convert_tokens(tmp_path / "tokens.pt", tmp_path / "none", {"car": "<cars>"})


def test_diffusers_own_files_are_converted(tmp_path: Path):
    one, two = torch.randn(8), torch.randn(3, 8)
    torch.save({"<cat-toy>": torch.nn.Parameter(one)}, tmp_path / "learned_embeds.bin")
    save_file({"<cat-toy>": two}, tmp_path / "learned_embeds.safetensors")
    save_file({"clip_l": two, "clip_g": torch.randn(3, 12)}, tmp_path / "sdxl.safetensors")
    assert convert_tokens(tmp_path / "learned_embeds.bin", tmp_path / "a", token="<toy>") == {"toy": "<toy>"}  # noqa: S106
    assert torch.equal(load_tokens(tmp_path / "a")["<toy>"][0], one[None])
    convert_tokens(tmp_path / "learned_embeds.safetensors", tmp_path / "b")
    assert torch.equal(load_tokens(tmp_path / "b")["<cat-toy>"][0], two)
    convert_tokens(tmp_path / "sdxl.safetensors", tmp_path / "c", token="<s>")  # noqa: S106
    assert [one.shape for one in load_tokens(tmp_path / "c")["<s>"]] == [(3, 8), (3, 12)]
    with pytest.raises(BadConfig, match="two encoders and no token; say which"):
        convert_tokens(tmp_path / "sdxl.safetensors", tmp_path / "d")


class Code:
    """Something that a pickle could run."""


@pytest.mark.parametrize(
    ("name", "held", "words"),
    [
        ("code.pt", Code(), "holds more than tensors, and is not read"),
        ("list.pt", [torch.zeros(4)], "holds no learnt tokens"),
        ("names.bin", {"<car>": "a car"}, "holds no learnt tokens"),
        ("none.pt", {}, "holds no learnt tokens"),
        ("deep.pt", {"<car>": torch.zeros(2, 2, 2)}, "holds no learnt tokens"),
        ("wide.pt", {"<car>": torch.zeros(4), "<dog>": torch.zeros(5)}, r"vectors of \[4, 5\] numbers"),
        ("missing.bin", None, "is not there"),
    ],
)
def test_files_that_hold_something_else_are_refused(tmp_path: Path, name: str, held: Any, words: str):
    if held is not None:
        torch.save(held, tmp_path / name)
    with pytest.raises(BadConfig, match=words):
        convert_tokens(tmp_path / name, tmp_path / "tokens")
    assert not (tmp_path / "tokens").exists()
