"""Small models as judges of candidates: real classes of transformers, tiny and randomly initialised."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast, T5Config

from counterfactory.errors import BadConfig
from counterfactory.language.lexicon import Lexicon
from counterfactory.language.plausibility import open_judge
from counterfactory.language.words import phrase
from counterfactory.types import Edit, Failed, Passage, Rewriting
from counterfactory.worker import Worker

WORDS = ["<pad>", "<unk>", "<s>", *phrase("red dog on grass a night in the rain heavy snow winter fog at")]
PASSAGE = Passage(caption="a red dog on grass", label="dog")


@pytest.fixture
def causal(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    shape = GPT2Config(
        vocab_size=len(WORDS), n_positions=32, n_embd=16, n_layer=1, n_head=2, bos_token_id=2, eos_token_id=2
    )
    return saved(GPT2LMHeadModel(shape), tmp_path / "causal")


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    return saved(BertModel(shape), tmp_path / "encoder")


def saved(network: Any, folder: Path) -> Path:
    network.save_pretrained(folder)
    inner = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, "<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    signs = {"bos_token": "<s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    PreTrainedTokenizerFast(tokenizer_object=inner, **signs).save_pretrained(folder)
    return folder


def rewriting(words: str) -> Rewriting:
    return Rewriting(caption=f"a red dog on grass {words}", edits=(Edit(kind="weather", old="", new=words),))


CANDIDATES = [rewriting(words) for words in ("at night", "in heavy snow", "in the fog", "in winter")]


@torch.no_grad()
def test_a_causal_model_gives_the_mean_log_probability_of_the_tokens(causal: Path):
    tokens = torch.tensor([[2, *(WORDS.index(word) for word in phrase("a red dog on grass at night"))]])
    scores = GPT2LMHeadModel.from_pretrained(causal).eval()(tokens).logits.log_softmax(-1)[0]
    wanted = sum(scores[place, token].item() for place, token in enumerate(tokens[0, 1:])) / 7
    assert open_judge(causal, "cpu")(PASSAGE.caption, CANDIDATES)[0] == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("kind", ["causal", "encoder"])
def test_a_score_does_not_depend_on_its_neighbours(kind: str, request: pytest.FixtureRequest):
    judge = open_judge(request.getfixturevalue(kind), "cpu")
    together = judge(PASSAGE.caption, CANDIDATES)
    alone = [judge(PASSAGE.caption, [new])[0] for new in CANDIDATES]
    assert together == pytest.approx(alone, abs=1e-5)
    assert len(set(together)) == len(CANDIDATES)


def test_an_encoder_compares_the_new_words_with_the_caption(encoder: Path):
    judge = open_judge(encoder, "cpu")
    same, other = judge(PASSAGE.caption, [rewriting(PASSAGE.caption), rewriting("in winter")])
    assert same == pytest.approx(1, abs=1e-5)
    assert other < same


def test_a_text_longer_than_the_model_is_cut(causal: Path):
    assert len(open_judge(causal, "cpu")("a dog", [rewriting("at night " * 100)])) == 1


@pytest.mark.parametrize("kind", ["causal", "encoder"])
def test_the_more_plausible_half_of_a_kind_stays(kind: str, tmp_path: Path, request: pytest.FixtureRequest):
    folder = request.getfixturevalue(kind)
    step = Lexicon(kinds=("weather",), counterfactuals=100, ranker=str(folder))
    ranked = step.load(Worker(workspace=tmp_path))([PASSAGE])[0]
    plain = Lexicon(kinds=("weather",), counterfactuals=100).load(Worker(workspace=tmp_path))([PASSAGE])[0]
    assert not isinstance(ranked, Failed)
    assert not isinstance(plain, Failed)
    judge = open_judge(folder, "cpu")
    assert len(ranked) == (len(plain) + 1) // 2
    best = sorted(judge(PASSAGE.caption, plain), reverse=True)[: len(ranked)]
    assert sorted(judge(PASSAGE.caption, ranked), reverse=True) == pytest.approx(best, abs=1e-5)


def test_a_model_that_is_neither_is_refused(tmp_path: Path):
    T5Config(architectures=["T5ForConditionalGeneration"]).save_pretrained(tmp_path)
    with pytest.raises(BadConfig, match="cannot rank"):
        open_judge(tmp_path, "cpu")


def test_a_folder_without_a_model_is_told(tmp_path: Path):
    with pytest.raises(BadConfig, match="does not hold such a model"):
        open_judge(tmp_path, "cpu")
