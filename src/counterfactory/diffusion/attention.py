"""Attention to an image prompt beside the text's (IP-Adapter, Ye et al. 2023), with a scale for each picture.

Knows the layers; not where their weights lie, and not how they learn.
"""

import copy
from collections.abc import Iterable
from typing import Any

from diffusers.models.embeddings import ImageProjection
from torch import Tensor, nn
from torch.nn import functional

TOKENS = 4  # that an image prompt speaks in: diffusers expects this number of the plain kind of adapter


class ImageAttention(nn.Module):
    """One cross-attention layer: what it sees in the text, plus the scale times what it sees in the image prompt."""

    def __init__(self, text_width: int, width: int) -> None:
        super().__init__()
        self.to_k_ip = nn.Linear(text_width, width, bias=False)
        self.to_v_ip = nn.Linear(text_width, width, bias=False)

    def forward(
        self, attention: Any, hidden_states: Tensor, encoder_hidden_states: Any, attention_mask: Tensor | None = None
    ) -> Tensor:
        """What diffusers asks in place of the layer's own attention, with arguments of these names."""
        assert attention_mask is None  # prompts are padded, and no part of a text is hidden in these models
        text_BTC, (images_BTC, scale_B) = encoder_hidden_states
        asked = attention.to_q(hidden_states)
        of_text = _attended(asked, attention.to_k(text_BTC), attention.to_v(text_BTC), attention.heads)
        of_image = _attended(asked, self.to_k_ip(images_BTC), self.to_v_ip(images_BTC), attention.heads)
        seen = of_text + scale_B[:, None, None] * of_image
        out: Tensor = attention.to_out[1](attention.to_out[0](seen))
        return out


class Adapter(nn.Module):
    """All that image prompts need of their own: an embedding's projection to tokens, and every layer's ear for them."""

    def __init__(self, embedding_width: int, text_width: int, widths: Iterable[int]) -> None:
        super().__init__()
        self.projection = ImageProjection(embedding_width, text_width, TOKENS)
        self.layers = nn.ModuleList(ImageAttention(text_width, width) for width in widths)

    def forward(self, prompt: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Embeddings (B, D) and scales (B,) as what the layers take."""
        embeddings, scales = prompt
        return self.projection(embeddings), scales


def build_adapter(unet: Any, embedding_width: int) -> Adapter:
    """An untrained adapter for a network: its layers begin as copies of those that listen to the text."""
    listening = [_layer(unet, name) for name in listeners(unet)]
    widths = [layer.to_k.weight.shape[0] for layer in listening]
    adapter = Adapter(embedding_width, unet.config.cross_attention_dim, widths)
    for ours, theirs in zip(adapter.layers, listening, strict=True):
        ours.load_state_dict({"to_k_ip.weight": theirs.to_k.weight, "to_v_ip.weight": theirs.to_v.weight})
    return adapter


def prompted(unet: Any, adapter: Adapter) -> Any:
    """A network with the same weights, not copied, that takes `added_cond_kwargs={"image_embeds": (them, scales)}`."""
    shared = {id(tensor): tensor for tensor in (*unet.parameters(), *unet.buffers())}
    listening = copy.deepcopy(unet, shared)
    listening.encoder_hid_proj = adapter
    listening.register_to_config(encoder_hid_dim_type="ip_image_proj")  # by this name diffusers hands prompts on
    layers = dict(zip(listeners(unet), adapter.layers, strict=True))
    listening.set_attn_processor({name: layers.get(name, own) for name, own in listening.attn_processors.items()})
    return listening


def listeners(unet: Any) -> list[str]:
    """The layers that look at the text, in diffusers' order, by the names of their processors."""
    return [name for name in unet.attn_processors if name.endswith("attn2.processor")]


def _layer(unet: Any, name: str) -> Any:
    return unet.get_submodule(name.removesuffix(".processor"))


def _attended(query_BTC: Tensor, key_BTC: Tensor, value_BTC: Tensor, heads: int) -> Tensor:
    query, key, value = (_by_head(tensor, heads) for tensor in (query_BTC, key_BTC, value_BTC))
    return functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


def _by_head(x_BTC: Tensor, heads: int) -> Tensor:
    return x_BTC.reshape(*x_BTC.shape[:2], heads, -1).transpose(1, 2)
