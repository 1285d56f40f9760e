"""What the zoo's models are, in words: where each goes among the others, and the card that lies beside its weights."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from counterfactory.zoo.world import UNSEEN_CLASS, UNSEEN_PAIRS

SEEN = "Diorama scenes of 64 x 64 pixels in which every factor is as likely as any other, with their captions"
USUAL = "Diorama scenes of 64 x 64 pixels, each class in its usual surroundings only"
MOST = 8  # numbers of a group, the first ones
PIPELINE = "from diffusers import StableDiffusionPipeline\n\npipeline = StableDiffusionPipeline.from_pretrained(folder)"
CONTROL = (
    "from diffusers import ControlNetModel, StableDiffusionControlNetPipeline\n\n"
    "control = ControlNetModel.from_pretrained(folder)\n"
    "pipeline = StableDiffusionControlNetPipeline.from_pretrained(diorama, controlnet=control, safety_checker=None)"
)
CLASSIFIER = (
    "from transformers import AutoModelForImageClassification\n\n"
    "model = AutoModelForImageClassification.from_pretrained(folder)"
)
SEGMENTER = (
    "from transformers import AutoModelForSemanticSegmentation\n\n"
    "model = AutoModelForSemanticSegmentation.from_pretrained(folder)"
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One trained model and its place among the others."""

    model: str  # its training's name, which is its folder's
    place: str  # where it lies in the packed world; nothing for the world itself
    what: str
    load: str  # code that opens it without Counterfactory, where that is possible
    library: str = "diffusers"
    data: str = SEEN
    inside: str = ""  # the part of the training's folder that is taken, from the zoo's folder
    has_seen_all: bool = False  # also what is kept from the other models

    @property
    def source(self) -> str:
        """The folder that is copied."""
        return self.inside or self.model


PARTS = (
    Part(
        model="latent",
        place="",
        what="Text to image in the latents of its autoencoder: a `StableDiffusionPipeline` of a small denoising "
        "network and a text encoder that were trained together.",
        load=PIPELINE,
    ),
    Part(
        model="autoencoder",
        place="vae",
        inside="latent/vae",
        what="The autoencoder (`AutoencoderTiny`) in whose latents the pipeline draws: 64 x 64 pixels to 16 x 16 x 4.",
        load="from diffusers import AutoencoderTiny\n\nvae = AutoencoderTiny.from_pretrained(folder)",
    ),
    Part(
        model="clip",
        place="clip",
        what="Says how well a text and a picture fit: a `CLIPModel` of two small towers.",
        load="from transformers import CLIPModel\n\nclip = CLIPModel.from_pretrained(folder)",
        library="transformers",
    ),
    Part(
        model="captioner",
        place="captioner",
        what="Says what a picture shows: a `BlipForConditionalGeneration`.",
        load="from transformers import BlipForConditionalGeneration\n\n"
        "captioner = BlipForConditionalGeneration.from_pretrained(folder)",
        library="transformers",
    ),
    Part(
        model="controlnet_edges",
        place="controlnet-edges",
        what="Makes the pipeline follow the soft edges of a picture: a `ControlNetModel`.",
        load=CONTROL,
    ),
    Part(
        model="controlnet_masks",
        place="controlnet-masks",
        what="Makes the pipeline follow a segmentation mask: a `ControlNetModel`.",
        load=CONTROL,
    ),
    Part(
        model="ip_adapter",
        place="ip_adapter",
        what="Makes the pipeline heed a picture as it heeds a text: an IP-Adapter with its image encoder.",
        load='pipeline.load_ip_adapter(diorama, subfolder="ip_adapter", weight_name="ip-adapter.safetensors")',
    ),
    Part(
        model="ddpm",
        place="ddpm",
        what="Draws pictures without being asked for anything in particular: a `UNet2DModel` of pixels that has learnt "
        "its variance, for explanations.",
        load="from diffusers import DDPMScheduler, UNet2DModel\n\n"
        'network = UNet2DModel.from_pretrained(folder, subfolder="unet")\n'
        'scheduler = DDPMScheduler.from_pretrained(folder, subfolder="scheduler")',
    ),
    Part(
        model="classifier",
        place="classifier",
        what="Tells the class of a picture; it has seen all surroundings: a filter's independent opinion.",
        load=CLASSIFIER,
        library="transformers",
    ),
    Part(
        model="classifier_usual",
        place="classifier-usual",
        what="Tells the class of a picture; it knows usual surroundings alone: a model to be tested.",
        load=CLASSIFIER,
        library="transformers",
        data=USUAL,
    ),
    Part(
        model="segmenter",
        place="segmenter",
        what="Tells the class of every pixel, background or one of ten things; it knows usual surroundings alone: "
        "a model to be tested.",
        load=SEGMENTER,
        library="transformers",
        data=USUAL,
    ),
    Part(
        model="judge",
        place="judge",
        what="Reads class, colour, surface, weather and time of a Diorama picture, and the mask of its thing. It "
        "measures; no method may choose by it.",
        load='from counterfactory.zoo.judge import open_judge\n\njudge = open_judge("zoo:diorama/judge")',
        library="counterfactory",
        data="Diorama scenes of 64 x 64 pixels of all classes on all surfaces, worn a little as drawn pictures are",
        has_seen_all=True,
    ),
)


def card(part: Part, world: str, numbers: Mapping[str, Any]) -> str:
    """The card as a page of text."""
    name = f"zoo:{world}/{part.place}".rstrip("/")
    facts = {
        "trained": _trained(numbers),
        "on": part.data,
        "kept from it": "nothing" if part.has_seen_all else kept_back(),
        "weights": "half precision, safetensors",
        "licence": "Apache-2.0",
    }
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items() if value)
    measured = "\n".join(f"| {name} | {value} |" for name, value in _measured(numbers))
    return (
        f"---\nlicense: apache-2.0\nlibrary_name: {part.library}\ntags: [counterfactory, {world}]\n---\n"
        f"# {name}\n\n{part.what}\n\nMade by Counterfactory from nothing, on pictures that it draws itself; "
        f"no photograph and nobody's data went into it.\n\n| | |\n|---|---|\n{rows}\n\n"
        f"```python\n{part.load}\n```\n\n## Measured at the end of its training\n\n"
        f"| | |\n|---|---|\n{measured}\n\n"
        f"`python -m counterfactory.zoo.train --model {part.model} --minutes ...` trains it again.\n"
    )


def kept_back() -> str:
    """What no model but the judge has seen."""
    pairs = ", ".join(f"a {kind} on {surface}" for kind, surface in UNSEEN_PAIRS)
    return f"{pairs}, and the class {UNSEEN_CLASS} (what a method does with these shows what it makes of the new)"


def _trained(numbers: Mapping[str, Any]) -> str:
    seen = f"{numbers['images']:,} images seen" if "images" in numbers else ""
    seen = seen or (f"{numbers['steps']:,} steps" if "steps" in numbers else "")
    seconds = numbers.get("seconds")
    took = f"{seconds / 60:,.0f} minutes" if isinstance(seconds, int | float) else ""
    return " in ".join(filter(None, [seen, took]))


def _measured(numbers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Numbers alone; those in groups under the group's name."""
    for name, value in numbers.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}: {inner}", said) for inner, said in islice(_measured(value), MOST))
        elif isinstance(value, int | float) and name not in {"images", "seconds"}:
            yield name.replace("_", " "), f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
