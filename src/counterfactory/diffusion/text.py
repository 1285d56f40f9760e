"""The text encoder of a latent model, untrained."""

from typing import Any

from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from counterfactory.diffusion.trainers import Network


def build_encoder(tokenizer: CLIPTokenizer, network: Network) -> Any:
    """A small text encoder for a tokenizer, untrained."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=network.text_width,
            intermediate_size=3 * network.text_width,
            num_hidden_layers=network.text_layers,
            num_attention_heads=network.heads,
            max_position_embeddings=tokenizer.model_max_length,
            projection_dim=network.text_width,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
