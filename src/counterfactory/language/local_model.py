"""An opened local language model: chats in, replies out, in batches, each reply once ever."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LogitsProcessor, LogitsProcessorList

from counterfactory.asking.chat import Chat, Reply
from counterfactory.asking.replies import Replies
from counterfactory.errors import BadConfig
from counterfactory.keys import seed_for
from counterfactory.language.local import LocalWriter
from counterfactory.names import identity, model_folder
from counterfactory.training.drawing import Drawn
from counterfactory.training.loading import loading
from counterfactory.worker import Worker


class LocalModel:
    """A loaded writer; called with chats, gives their replies in order."""

    def __init__(self, writer: LocalWriter, worker: Worker):
        folder = model_folder(writer.model)
        with loading(folder):
            tokenizer: Any = AutoTokenizer
            self._tokenizer = tokenizer.from_pretrained(folder, trust_remote_code=False, padding_side="left")
            network: Any = AutoModelForCausalLM.from_pretrained(
                folder, trust_remote_code=False, use_safetensors=True, dtype=worker.torch_dtype()
            )
        self._network = network.to(worker.device).eval().requires_grad_(False)
        self._writer, self._batch = writer, worker.batch_size
        self._replies = Replies(worker.workspace)
        self._said = ["local", identity(writer.model), writer.temperature, writer.max_tokens, worker.dtype]
        self._longest = getattr(self._network.config.get_text_config(), "max_position_embeddings", None) or 2**20
        self._ends = self._ends_of_replies()
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token_id = self._ends[0]  # never looked at: the attention mask leaves it out
        # Not the checkpoint's own habits (penalties, temperature): the writer's fields say all.
        habits: Any = GenerationConfig  # untyped in transformers
        self._network.generation_config = habits(
            do_sample=False, num_beams=1, eos_token_id=self._ends, pad_token_id=self._tokenizer.pad_token_id
        )

    def __call__(self, chats: Sequence[Chat]) -> list[Reply]:
        keys = [chat.key(self._said) for chat in chats]
        found = {key: self._replies.get(key) for key in keys}
        todo = {key: chat for key, chat in zip(keys, chats, strict=True) if found[key] is None}
        texts = {key: self._text(chat) for key, chat in todo.items()}
        ranked = sorted(todo, key=lambda key: len(texts[key]))  # alike lengths share a batch: little is padded
        for start in range(0, len(ranked), self._batch):
            batch = ranked[start : start + self._batch]
            seeds = [seed_for("local", todo[key].seed, todo[key].attempt) for key in batch]
            for key, written in zip(batch, self._write([texts[key] for key in batch], seeds), strict=True):
                self._replies.put(key, self._writer.model, written)
                found[key] = written
        return [reply for key in keys if (reply := found[key])]

    def _text(self, chat: Chat) -> str:
        """The conversation as the model was taught to read one, or as plain text."""
        said = [{"role": message.role, "content": message.text} for message in chat.messages]
        if self._tokenizer.chat_template:
            return str(self._tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True))
        return "\n\n".join(message["content"] for message in said) + "\n\n"

    @torch.no_grad()
    def _write(self, texts: Sequence[str], seeds: Sequence[int]) -> list[Reply]:
        tagged = bool(self._tokenizer.chat_template)
        asked = self._tokenizer(list(texts), return_tensors="pt", padding=True, add_special_tokens=not tagged)
        lengths = asked["attention_mask"].sum(1).tolist()
        room = self._longest - asked["input_ids"].shape[1]
        if room < 1:
            return self._one_by_one(texts, seeds, lengths)
        numbers = self._network.generate(
            input_ids=asked["input_ids"].to(self._network.device),
            attention_mask=asked["attention_mask"].to(self._network.device),
            max_new_tokens=min(room, self._writer.max_tokens),
            logits_processor=self._drawn(seeds),
        )
        written = numbers[:, asked["input_ids"].shape[1] :]
        return [self._reply(row, read) for row, read in zip(written, lengths, strict=True)]

    def _one_by_one(self, texts: Sequence[str], seeds: Sequence[int], lengths: Sequence[int]) -> list[Reply]:
        """One text that the model cannot hold must not cost the others theirs."""
        if len(texts) > 1:
            return [reply for text, seed in zip(texts, seeds, strict=True) for reply in self._write([text], [seed])]
        told = f"the question has {lengths[0]} tokens, and the model holds {self._longest} with its reply"
        return [Reply(text=told, finish="refused")]

    def _reply(self, row: Tensor, read: int) -> Reply:
        ended = torch.isin(row, torch.tensor(self._ends, device=row.device)).nonzero()
        length = int(ended[0]) if len(ended) else len(row)
        text = self._tokenizer.decode(row[:length], skip_special_tokens=True).strip()
        return Reply(text=text, finish="stop" if len(ended) else "length", read=read, written=length)

    def _drawn(self, seeds: Sequence[int]) -> LogitsProcessorList:
        heat = self._writer.temperature
        return LogitsProcessorList([_Heated(heat), Drawn(seeds)] if heat else [])

    def _ends_of_replies(self) -> list[int]:
        """The tokens that end a reply, by the checkpoint's own account."""
        said = self._network.generation_config.eos_token_id
        ends = said if isinstance(said, list) else [said]
        found = [number for number in (*ends, self._tokenizer.eos_token_id) if number is not None]
        if not found:
            raise BadConfig(f"The language model {self._writer.model!r} names no token that ends a text (eos_token).")
        return list(dict.fromkeys(found))


class _Heated(LogitsProcessor):
    """Logits by a temperature: the lower it is, the likelier the likeliest."""

    def __init__(self, temperature: float):
        self._temperature = temperature

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return scores / self._temperature
