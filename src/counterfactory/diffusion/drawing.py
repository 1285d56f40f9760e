"""Draws pictures with the parts of a pipeline like Stable Diffusion's or SDXL's: the loop that all drawing here runs.

Each picture has its own generator, guidance, layouts and image prompt, so it is the same whatever it is drawn beside.
Guidance is classifier-free (Ho & Salimans 2022) at any value: 1 is the prompt alone and 0 the negative prompt alone.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from counterfactory.diffusion.adapted import wordless
from counterfactory.diffusion.canvas import Canvas
from counterfactory.diffusion.class_encoder import NO_CLASS
from counterfactory.diffusion.conditions import Seen, image_prompts, layouts, residuals
from counterfactory.diffusion.fits import is_of_two_encoders, opening
from counterfactory.diffusion.latents import decode, encode
from counterfactory.diffusion.prompts import Words, understood
from counterfactory.diffusion.schedulers import steps_left
from counterfactory.diffusion.spelling import Reader, Saying
from counterfactory.errors import BadConfig
from counterfactory.names import model_folder
from counterfactory.types import Request

Predictor = Callable[[Tensor, Tensor], Tensor]  # latents and a time to what the scheduler takes


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """What draws: networks on one device, and the scheduler whose settings count and whose state does not."""

    unet: Any
    autoencoder: Any
    text_encoder: Any
    tokenizer: Any
    scheduler: Any
    controls: Mapping[str, Any] = field(default_factory=dict)  # ControlNets by the kind of layout that they follow
    image_encoder: Any = None  # where the denoising network listens to image prompts
    text_encoder_2: Any = None  # SDXL listens to two
    tokenizer_2: Any = None
    zero_unsaid: bool = False  # an empty negative prompt is zeros, not what the encoders make of no words
    safety_checker: Any = None
    feature_extractor: Any = None  # what prepares pictures for it
    tokens: Mapping[str, Sequence[Tensor]] = field(default_factory=dict)  # learnt vectors (V, D) for each encoder
    classes: Any = None  # a class encoder, for pictures of a class without words

    @property
    def readers(self) -> list[Reader]:
        """Each tokenizer with its encoder."""
        both = [(self.tokenizer, self.text_encoder), (self.tokenizer_2, self.text_encoder_2)]
        there = [pair for pair in both if pair[1] is not None]
        return [
            Reader(tokenizer=tokenizer, encoder=encoder, number=number, learnt=_learnt(self.tokens, number))
            for number, (tokenizer, encoder) in enumerate(there)
        ]


def _learnt(tokens: Mapping[str, Sequence[Tensor]], number: int) -> dict[str, Tensor]:
    return {token: vectors[number] for token, vectors in tokens.items()}


def open_parts(name: str, device: str, dtype: torch.dtype = torch.float32, safety_checker: bool = False) -> Parts:
    """The parts of a pipeline folder or hub id; of its safety checker only where it is asked for."""
    import diffusers

    folder = model_folder(name)
    with opening(folder):
        two = is_of_two_encoders(folder)
        pipelines: Any = diffusers.StableDiffusionXLPipeline if two else diffusers.StableDiffusionPipeline
        without = {} if two or safety_checker else {"safety_checker": None, "requires_safety_checker": False}
        pipeline = pipelines.from_pretrained(folder, use_safetensors=True, **without)
        networks = {part: one for part, one in pipeline.components.items() if isinstance(one, torch.nn.Module)}
        for one in networks.values():
            one.to(device, dtype).eval().requires_grad_(False)
        if dtype == torch.float16 and pipeline.vae.config.get("force_upcast"):
            pipeline.vae.float()  # it says of itself that it overflows in 16 bits
    return Parts(
        unet=pipeline.unet,
        autoencoder=pipeline.vae,
        text_encoder=pipeline.text_encoder,
        tokenizer=pipeline.tokenizer,
        scheduler=pipeline.scheduler,
        text_encoder_2=networks.get("text_encoder_2"),
        tokenizer_2=getattr(pipeline, "tokenizer_2", None),
        zero_unsaid=bool(pipeline.config.get("force_zeros_for_empty_prompt")),
        safety_checker=networks.get("safety_checker"),
        feature_extractor=getattr(pipeline, "feature_extractor", None),
    )


@torch.no_grad()
def draw(
    parts: Parts,
    requests: Sequence[Request],
    steps: int,
    sources: Tensor | None = None,
    seen: Seen | None = None,
    eta: float = 0.0,
) -> Tensor:
    """Pictures (B, 3, H, W) from -1 to 1; with `sources`, what their one common strength makes of these pictures.

    `seen` holds the layouts and image prompts that the requests name: `seeing.see` reads them.
    """
    canvas = None
    if sources is not None:
        canvas = Canvas(latents=encode(parts.autoencoder, sources.to(parts.unet.device)).to(parts.unet.dtype))
    return decode(parts.autoencoder, drawn_latents(parts, requests, steps, canvas, seen, eta))


@torch.no_grad()
def drawn_latents(
    parts: Parts,
    requests: Sequence[Request],
    steps: int,
    canvas: Canvas | None = None,
    seen: Seen | None = None,
    eta: float = 0.0,
) -> Tensor:
    """Latents (B, C, h, w) of drawings of one size; with a canvas, of one strength too. `eta` is DDIM's own."""
    scheduler = type(parts.scheduler).from_config(parts.scheduler.config)
    scheduler.set_timesteps(steps, device=parts.unet.device)
    generators = [torch.Generator().manual_seed(request.seed) for request in requests]
    noise = torch.cat([_noise(parts, request, own) for request, own in zip(requests, generators, strict=True)])
    times = scheduler.timesteps if canvas is None else _last(scheduler, steps, requests)
    z_BCHW = _begun(scheduler, times, noise, canvas)
    if canvas is None:
        z_BCHW = _with_traces(z_BCHW, parts, scheduler, requests, generators, noise)
    predict = _predictor(parts, scheduler, requests, canvas, seen or Seen())
    takes = inspect.signature(scheduler.step).parameters
    own = {name: value for name, value in {"generator": generators, "eta": eta}.items() if name in takes}
    for number, time in enumerate(times):
        z_BCHW = scheduler.step(predict(z_BCHW, time), time, z_BCHW, **own).prev_sample
        if canvas is not None:
            z_BCHW = canvas.restored(z_BCHW, scheduler, noise, times[number + 1] if number + 1 < len(times) else None)
    return z_BCHW


def _begun(scheduler: Any, times: Tensor, noise: Tensor, canvas: Canvas | None) -> Tensor:
    """Nothing but noise, or as much of it over the sources as the strength says."""
    if canvas is None or (canvas.mask is not None and len(times) == len(scheduler.timesteps)):
        begun: Tensor = noise * scheduler.init_noise_sigma
        return begun
    if not len(times):
        return canvas.latents
    noised: Tensor = scheduler.add_noise(canvas.latents, noise, times[:1].repeat(len(noise)))
    return noised


def _with_traces(
    begun: Tensor,
    parts: Parts,
    scheduler: Any,
    requests: Sequence[Request],
    generators: Sequence[torch.Generator],
    noise: Tensor,
) -> Tensor:
    """Where a class encoder knows what training left of pictures in the noise, it is there when a drawing begins."""
    if parts.classes is None or parts.classes.trace is None:
        return begun
    for row, (request, generator) in enumerate(zip(requests, generators, strict=True)):
        if wordless(request):
            look = parts.classes.trace.drawn(request.label, begun.shape[2:], generator).to(noise)
            begun[row] = scheduler.add_noise(look, noise[row][None], scheduler.timesteps[:1])[0]
    return begun


def _predictor(
    parts: Parts, scheduler: Any, requests: Sequence[Request], canvas: Canvas | None, seen: Seen
) -> Predictor:
    """The guided prediction of latents at a time, with all that the requests ask to be heeded.

    Where no picture of the batch has another guidance than 1, which is the prompt alone, the other half is left out.
    """
    halves = 1 if all(request.guidance == 1 for request in requests) else 2
    words = _heard(parts, requests, seen, halves)
    texts = torch.stack([said.each for said in words]).to(parts.unet.device)
    guidance = texts.new_tensor([request.guidance for request in requests])[:, None, None, None]
    heeded = layouts(parts.controls, requests, seen, halves)
    told = summaries(words, picture_size(parts, requests[0]), texts.device)
    added = told | image_prompts(parts.unet, requests, seen, halves)

    def predict(z_BCHW: Tensor, time: Tensor) -> Tensor:
        noisy = scheduler.scale_model_input(z_BCHW.repeat(halves, 1, 1, 1), time)
        more = residuals(heeded, noisy, time, {"encoder_hidden_states": texts, "added_cond_kwargs": added})
        shown = noisy if canvas is None else canvas.seen_beside(noisy)
        said = parts.unet(shown, time, encoder_hidden_states=texts, added_cond_kwargs=added, **more).sample
        if halves == 1:
            return said  # type: ignore[no-any-return]
        without, with_prompt = said.chunk(2)
        guided: Tensor = without + guidance * (with_prompt - without)
        return guided

    return predict


def _heard(parts: Parts, requests: Sequence[Request], seen: Seen, halves: int) -> list[Words]:
    """What is said against each picture, where that counts, and then what is said for each."""
    against, positive = zip(*(sayings(parts, request) for request in requests), strict=True)
    negative = against if halves == 2 else ()
    missing = [said for said in dict.fromkeys([*negative, *positive]) if said not in seen.texts]
    known = {**seen.texts}
    if missing:
        known.update(zip(missing, understood(parts.readers, missing, parts.unet.dtype, parts.classes), strict=True))
    return [*(_against(known[said], said, parts) for said in negative), *(known[said] for said in positive)]


def sayings(parts: Parts, request: Request) -> tuple[Saying, Saying]:
    """What is said against a picture and for it."""
    if by_class(parts, request):
        return Saying("", label=NO_CLASS), Saying("", label=request.label)
    return Saying(request.negative_prompt), Saying(request.prompt, request.noise)


def by_class(parts: Parts, request: Request) -> bool:
    """Whether a picture is drawn by its class: where there is a class encoder and the request has no words."""
    return parts.classes is not None and wordless(request)


def _against(words: Words, said: Saying, parts: Parts) -> Words:
    is_zero = parts.zero_unsaid and not said.text and said.label is None
    return words.unsaid() if is_zero else words


def summaries(words: Sequence[Words], size: tuple[int, int], device: torch.device) -> dict[str, Any]:
    """What SDXL is told besides the words: each text as a whole, and that the picture is whole and of this size."""
    whole = [said.whole for said in words if said.whole is not None]
    if not whole:
        return {}
    width, height = size
    texts = torch.stack(whole).to(device)
    return {"text_embeds": texts, "time_ids": texts.new_tensor([[height, width, 0, 0, height, width]] * len(words))}


def picture_size(parts: Parts, request: Request) -> tuple[int, int]:
    """Width and height of a requested picture: the model's own unless the request says otherwise."""
    factor = size_factor(parts)
    width, height = request.size or (parts.unet.config.sample_size * factor,) * 2
    if width % factor or height % factor:
        raise BadConfig(f"size: {width} x {height} is not a multiple of {factor} pixels, which this model works in.")
    return width, height


def size_factor(parts: Parts) -> int:
    """How many times smaller latents are than pictures."""
    levels = len(parts.autoencoder.config.block_out_channels)
    return int(2 ** (levels - 1))


def _noise(parts: Parts, request: Request, generator: torch.Generator) -> Tensor:
    """A picture's own noise (1, C, h, w), drawn on the processor so that every device begins alike."""
    factor, (width, height) = size_factor(parts), picture_size(parts, request)
    shape = (1, parts.autoencoder.config.latent_channels, height // factor, width // factor)
    return torch.randn(shape, generator=generator).to(parts.unet.device, parts.unet.dtype)


def _last(scheduler: Any, steps: int, requests: Sequence[Request]) -> Tensor:
    """The times that are left when a drawing starts from a picture: all at strength 1, none at 0 (Meng et al. 2022)."""
    said = [request.strength for request in requests]
    counts = {steps_left(steps, strength) for strength in said if strength is not None and 0 <= strength <= 1}
    if len(counts) != 1 or not all(strength is not None and 0 <= strength <= 1 for strength in said):
        raise BadConfig(
            f"strength: pictures drawn together share one strength from 0 to 1, not {sorted(set(map(str, said)))}."
        )
    start = (steps - counts.pop()) * scheduler.order
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(start)
    times: Tensor = scheduler.timesteps[start:]
    return times
