"""Tiny language models and captioners with random weights: real classes, in folders as they come from the hub."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    BlipImageProcessorPil,
    CLIPImageProcessorPil,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

SINGLES = ("<pad>", "<s>", "</s>", "<unk>")
WORDS = ("dog", "snow", "car", "red", '{"', '":', '"}', *"abcdefghijklmnopqrstuvwxyz.,:{}[]")
NUMBERS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
SHAPE = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
SEEING = {**SHAPE, "image_size": 16, "patch_size": 8}
STRONG = 8  # times the usual first weights: what is written depends on what is read
TALK = "{% for message in messages %}{{ message['content'] }} {% endfor %}:"
SHOW = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %} :"
)


def _tokenizer(*more: str, template: str | None = None) -> PreTrainedTokenizerFast:
    words = {word: number for number, word in enumerate((*SINGLES, *more, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=SINGLES[3]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    names: Any = dict(zip(("pad_token", "bos_token", "eos_token", "unk_token"), SINGLES, strict=True))
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, additional_special_tokens=list(more), **names)
    made.chat_template = template
    return made


def _llama(tokenizer: Any, longest: int) -> dict[str, Any]:
    return {
        **SHAPE,
        **NUMBERS,
        "vocab_size": len(tokenizer),
        "num_key_value_heads": 2,
        "max_position_embeddings": longest,
    }


def _saved(network: Any, processor: Any, folder: Path) -> Path:
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(STRONG)
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_talker(folder: Path, longest: int = 2048, template: str | None = TALK) -> Path:
    """A causal language model."""
    tokenizer = _tokenizer(template=template)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return _saved(LlamaForCausalLM(LlamaConfig(**_llama(tokenizer, longest))), tokenizer, folder)


def save_blip2(folder: Path) -> Path:
    tokenizer = _tokenizer("<image>")
    text = {**NUMBERS, "model_type": "opt", "vocab_size": len(tokenizer), "hidden_size": 16, "ffn_dim": 16}
    text |= {"num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 64, "word_embed_proj_dim": 16}
    asking = {**SHAPE, "vocab_size": 20, "encoder_hidden_size": 16}
    config = Blip2Config(
        vision_config=SEEING,
        qformer_config=asking,
        text_config=text,
        num_query_tokens=4,
        image_token_index=len(SINGLES),
    )
    pictures = BlipImageProcessorPil(size={"height": 16, "width": 16})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        processor = Blip2Processor(pictures, tokenizer, num_query_tokens=4)
        return _saved(Blip2ForConditionalGeneration(config), processor, folder)


def save_llava(folder: Path) -> Path:
    tokenizer = _tokenizer("<image>", template=SHOW)
    config = LlavaConfig(
        vision_config={**SEEING, "model_type": "clip_vision_model", "num_hidden_layers": 2},
        text_config={"model_type": "llama", **_llama(tokenizer, 128)},
        image_token_id=len(SINGLES),
    )
    processor = LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=SHOW,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return _saved(LlavaForConditionalGeneration(config), processor, folder)


def save_idefics3(folder: Path) -> Path:
    """Cuts a picture into tiles, so that pictures take different numbers of tokens."""
    tokenizer = _tokenizer(template=SHOW)
    pictures = Idefics3ImageProcessorPil(size={"longest_edge": 32}, max_image_size={"longest_edge": 16})
    processor: Any = Idefics3Processor(pictures, tokenizer, image_seq_len=1, chat_template=SHOW)
    config = Idefics3Config(
        vision_config=SEEING,
        text_config={"model_type": "llama", **_llama(tokenizer, 256)},
        image_token_id=processor.image_token_id,
        scale_factor=2,
        pad_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return _saved(Idefics3ForConditionalGeneration(config), processor, folder)
