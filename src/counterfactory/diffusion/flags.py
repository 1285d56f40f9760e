"""A guided-diffusion training in its own words (Dhariwal & Nichol 2021). Knows no weights and no torch."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from counterfactory.diffusion.trainers import FEWEST_LINEAR, PixelNetwork
from counterfactory.errors import BadConfig, unknown
from counterfactory.training.schedule import Count

FILE = "guided_diffusion.json"  # in a converted folder
GROUPS = 32  # of every norm
USUAL = {64: (1, 2, 3, 4), 128: (1, 1, 2, 3, 4), 256: (1, 1, 2, 2, 4, 4)}  # channel_mult by image_size
OF_TRAINING = {"dropout", "rescale_learned_sigmas", "use_checkpoint", "use_fp16", "use_kl"}  # a drawing is the same


class Flags(BaseModel, frozen=True, extra="forbid"):
    """What must be said has no default here; the other defaults are guided-diffusion's."""

    image_size: Count
    num_channels: Count
    num_res_blocks: Count
    attention_resolutions: tuple[Count, ...]
    channel_mult: tuple[Count, ...] = ()  # the usual one of the size
    num_heads: int = -1  # a fixed number at every level
    num_head_channels: int = -1  # or heads of a fixed width
    use_scale_shift_norm: bool
    resblock_updown: bool
    class_cond: bool
    learn_sigma: bool
    noise_schedule: Literal["linear", "cosine"]
    diffusion_steps: Count
    timestep_respacing: str = ""
    use_new_attention_order: bool = Field(default=False, description="queries of all heads come before all keys")
    rescale_timesteps: bool = Field(default=False, description="the network is told times of a thousand")
    predict_xstart: bool = False
    num_heads_upsample: int = -1

    @field_validator("attention_resolutions", "channel_mult", mode="before")
    @classmethod
    def _split(cls, said: Any) -> Any:
        return [part for part in said.split(",") if part] if isinstance(said, str) else said

    @model_validator(mode="after")
    def _fits(self) -> "Flags":
        if complaint := _complaint(self):
            raise ValueError(complaint)
        return self

    @property
    def mult(self) -> tuple[int, ...]:
        """How many times num_channels each level is wide."""
        return self.channel_mult or USUAL.get(self.image_size, ())

    @property
    def attends(self) -> tuple[bool, ...]:
        """At which levels the picture looks at all of itself."""
        halvings = {self.image_size // size for size in self.attention_resolutions}
        return tuple(2**level in halvings for level in range(len(self.mult)))

    @property
    def looking(self) -> tuple[int, ...]:
        """The channels of every place that attends: the deepest always does."""
        levels = zip(self.mult, self.attends, strict=True)
        return tuple(sorted({self.num_channels * self.mult[-1], *(self.num_channels * m for m, yes in levels if yes)}))

    @property
    def time_scale(self) -> float:
        """How much larger the times are that the network is told than the steps that are counted."""
        return 1000 / self.diffusion_steps if self.rescale_timesteps else 1.0

    @property
    def is_plain(self) -> bool:
        """Whether diffusers' own settings say it all: heads of one width at all levels, times as they are counted."""
        return self.time_scale == 1 and len({width // self.heads(width) for width in self.looking}) == 1

    @property
    def network(self) -> PixelNetwork:
        """The shape as our own trainings say it."""
        return PixelNetwork(
            channels=tuple(self.num_channels * factor for factor in self.mult),
            attends=self.attends,
            layers=self.num_res_blocks,
            head_width=self.looking[-1] // self.heads(self.looking[-1]),
            groups=GROUPS,
            resample="resnet" if self.resblock_updown else "conv",
        )

    @property
    def unsaid(self) -> list[tuple[str, Any]]:
        """What weights do not show and nobody said."""
        silent = ("use_new_attention_order", "rescale_timesteps", "timestep_respacing")
        return [(name, getattr(self, name)) for name in silent if name not in self.model_fields_set]

    def heads(self, channels: int) -> int:
        """How many heads share so many channels."""
        return self.num_heads if self.num_heads > 0 else channels // self.num_head_channels


def read_flags(text: str) -> Flags:
    """Flags as they stand on guided-diffusion's own command lines: `--image_size 128 --num_heads 4 ...`."""
    said = {name: value for name, value in _pairs(text).items() if name not in OF_TRAINING}
    for name in said.keys() - Flags.model_fields.keys():
        raise unknown("flag", name, Flags.model_fields)
    try:
        return Flags.model_validate(said)
    except ValidationError as error:
        raise BadConfig(_sentence(error)) from None


def kept_flags(folder: Path) -> Flags | None:
    """The flags of a folder that was converted."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return Flags.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise BadConfig(f"{path} is damaged: {_sentence(error)} Convert the checkpoint again.") from None


def _pairs(text: str) -> dict[str, str]:
    words = text.replace("=", " ").split()
    names, values = words[::2], words[1::2]
    if len(names) != len(values) or not all(name.startswith("--") for name in names):
        raise BadConfig(
            f"The flags {text!r} are no pairs of names and values; expected them as guided-diffusion's scripts take "
            "them: --image_size 128 --num_heads 4 ..."
        )
    return {name.removeprefix("--"): value.strip("'\"") for name, value in zip(names, values, strict=True)}


def _complaint(flags: Flags) -> str | None:
    """The first thing that no network of that family can be, or that is not read here."""
    if not flags.mult:
        return f"channel_mult has no usual value for image_size {flags.image_size}; give the training's own"
    if flags.mult[0] != 1:
        return f"channel_mult begins with {flags.mult[0]}; only networks that begin with num_channels itself are read"
    if flags.num_channels % GROUPS:
        return f"num_channels {flags.num_channels} is no multiple of {GROUPS}, the groups of every norm"
    if (flags.num_heads > 0) == (flags.num_head_channels > 0):
        return (
            "give either num_heads or num_head_channels, as the training had it: weights do not show it, and another "
            "one would change every picture"
        )
    if flags.predict_xstart or flags.num_heads_upsample != -1:
        return (
            "predict_xstart and num_heads_upsample are not read here: only networks that tell the noise, without them"
        )
    share = max(flags.num_heads, flags.num_head_channels)
    if odd := [width for width in flags.looking if width % share]:
        name = "num_heads" if flags.num_heads > 0 else "num_head_channels"
        return f"{name} {share} does not divide the {odd[0]} channels of a level that attends"
    if flags.image_size % 2 ** (len(flags.mult) - 1):
        return f"image_size {flags.image_size} cannot be halved {len(flags.mult) - 1} times, as channel_mult asks for"
    if flags.noise_schedule == "linear" and flags.diffusion_steps <= FEWEST_LINEAR:
        return f"diffusion_steps {flags.diffusion_steps} of linear noise leave no signal; more than {FEWEST_LINEAR} do"
    return None


def _sentence(error: ValidationError) -> str:
    found = error.errors(include_url=False)
    if missing := [str(one["loc"][0]) for one in found if one["type"] == "missing"]:
        if not {"num_heads", "num_head_channels"} & found[0]["input"].keys():
            missing.append("num_heads or num_head_channels")
        return f"The flags do not say {', '.join(missing)}; give the training's own: weights do not show all of it."
    first = found[0]
    if first["type"] == "value_error":
        return f"The flags cannot be so: {first['ctx']['error']}."
    reason = f"{first['msg'][0].lower()}{first['msg'][1:]}"
    return f"The flag {first['loc'][0]} is {first['input']!r}; {reason}."
