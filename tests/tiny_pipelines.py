"""Pipelines of every family with random weights, so small that they draw in a blink, and what goes beside them."""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    ControlNetModel,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from companions import EMBEDDING, save_base, save_clip
from counterfactory.diffusion.adapters import save_adapter
from counterfactory.diffusion.attention import build_adapter
from counterfactory.diffusion.drawing import open_parts
from counterfactory.diffusion.image_encoder import ENCODER, load_image_encoder
from counterfactory.training.saving import save_half
from counterfactory.training.tokenizer import learn_tokenizer

WORDS = ("a red car on grass", "a blue boat in fog", "a dog", "a white cup at night")
TIMES = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000}


def tokenizer() -> CLIPTokenizer:
    return learn_tokenizer(WORDS, 600, 16)


def clip(kind: Any, width: int) -> Any:
    return kind(
        CLIPTextConfig(
            vocab_size=600, hidden_size=width, intermediate_size=width, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=16, projection_dim=width, bos_token_id=598, eos_token_id=599, pad_token_id=599,
        )
    )  # fmt: skip


def t5() -> Any:
    return T5EncoderModel(T5Config(vocab_size=120, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2))


def tiny_autoencoder(channels: int = 4) -> Any:
    return AutoencoderTiny(
        encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8), num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1), latent_channels=channels,
    )  # fmt: skip


def full_autoencoder(channels: int) -> Any:
    return AutoencoderKL(
        block_out_channels=(8, 8), latent_channels=channels, norm_num_groups=2, shift_factor=0.1, scaling_factor=1.5,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, sample_size=32,
        use_quant_conv=False, use_post_quant_conv=False,
    )  # fmt: skip


def save_sdxl(folder: Path) -> Path:
    """SDXL with pictures of 16 pixels in latents of 8; an empty negative prompt is zeros, as in the published one."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        unet = UNet2DConditionModel(
            sample_size=8, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, cross_attention_dim=40,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=(2, 4), use_linear_projection=True, addition_embed_type="text_time",
            addition_time_embed_dim=4, transformer_layers_per_block=(1, 2),
            projection_class_embeddings_input_dim=24 + 6 * 4,
        )  # fmt: skip
        StableDiffusionXLPipeline(
            unet=unet,
            vae=tiny_autoencoder(),
            text_encoder=clip(CLIPTextModel, 16),
            text_encoder_2=clip(CLIPTextModelWithProjection, 24),
            tokenizer=tokenizer(),
            tokenizer_2=tokenizer(),
            scheduler=EulerDiscreteScheduler(**TIMES, timestep_spacing="leading", steps_offset=1),
        ).save_pretrained(folder)
    return folder


def save_inpainting(folder: Path) -> Path:
    """A pipeline like Stable Diffusion's whose network takes a source with a hole: 9 channels of latents."""
    save_base(folder)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        config = UNet2DConditionModel.load_config(folder / "unet")
        UNet2DConditionModel.from_config({**config, "in_channels": 9}).save_pretrained(folder / "unet")
    return folder


def save_sd3(folder: Path) -> Path:
    """SD3 without its third text encoder, which its users leave out too."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        StableDiffusion3Pipeline(
            transformer=SD3Transformer2DModel(
                sample_size=16, patch_size=2, in_channels=16, num_layers=1, attention_head_dim=8, num_attention_heads=2,
                joint_attention_dim=40, caption_projection_dim=16, pooled_projection_dim=40, out_channels=16,
                pos_embed_max_size=16,
            ),
            scheduler=FlowMatchEulerDiscreteScheduler(),
            vae=full_autoencoder(16),
            text_encoder=clip(CLIPTextModelWithProjection, 16),
            text_encoder_2=clip(CLIPTextModelWithProjection, 24),
            text_encoder_3=None,
            tokenizer=tokenizer(),
            tokenizer_2=tokenizer(),
            tokenizer_3=None,
        ).save_pretrained(folder)  # fmt: skip
    return folder


def save_flux(folder: Path) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        FluxPipeline(
            transformer=FluxTransformer2DModel(
                patch_size=1, in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=16,
                num_attention_heads=2, joint_attention_dim=16, pooled_projection_dim=16, axes_dims_rope=(4, 4, 8),
                guidance_embeds=True,
            ),
            scheduler=FlowMatchEulerDiscreteScheduler(),
            vae=full_autoencoder(1),
            text_encoder=clip(CLIPTextModel, 16),
            text_encoder_2=t5(),
            tokenizer=tokenizer(),
            tokenizer_2=T5Tokenizer(model_max_length=16),
        ).save_pretrained(folder)  # fmt: skip
    return folder


def save_controlnet(pipeline: Path, folder: Path, seed: int = 0) -> Path:
    """A ControlNet that says something at random."""
    parts = open_parts(str(pipeline), "cpu")
    levels = len(parts.autoencoder.config.block_out_channels)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = ControlNetModel.from_unet(parts.unet, conditioning_embedding_out_channels=(4, 8, 8)[:levels])
        for parameter in network.parameters():
            parameter.data += 0.2 * torch.randn_like(parameter)
    network.save_pretrained(folder)
    return folder


def save_image_prompts(pipeline: Path, folder: Path) -> Path:
    """An IP-Adapter that makes something of any picture, and its image encoder beside it."""
    made = build_adapter(open_parts(str(pipeline), "cpu").unet, EMBEDDING)
    generator = torch.Generator().manual_seed(0)
    for parameter in made.parameters():
        parameter.data += 0.5 * torch.randn(parameter.shape, generator=generator)
    folder.mkdir(parents=True)
    save_adapter(made, folder)
    save_half(load_image_encoder(str(save_clip(folder / "clip")), "cpu"), folder / ENCODER)
    return folder
