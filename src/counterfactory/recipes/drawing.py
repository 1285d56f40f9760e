"""How a counterfactual is drawn from its source: what holds the layout, and how much of the source stays."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from counterfactory.diffusion.layout import Layout
from counterfactory.errors import BadConfig, BadData
from counterfactory.keys import seed_for
from counterfactory.names import ModelName
from counterfactory.recipes.counterfactuals import Spoken
from counterfactory.run import Run
from counterfactory.types import Address, Control, Failed, Request, Rewriting, Sample

FOUND = ("edges", "canny")  # kinds of layout that the engine finds in an image itself
Scale = Annotated[float, Field(ge=0, le=2)]


class Drawing(BaseModel, frozen=True, extra="forbid"):
    """What every request is given beside its caption."""

    images: Annotated[int, Field(ge=1, le=100)] = Field(default=1, description="drawings of each new caption")
    guidance: float = Field(default=7.5, description="how much more than nothing a caption counts")
    negative_prompt: str = Field(default="", description="what drawings are led away from")
    layouts: Mapping[str, Scale] = Field(default={}, description="kinds of layout that are kept, and how strictly")
    unmasked: Mapping[str, Scale] = Field(
        default={}, description="the same of images without a mask, where `layouts` asks for masks"
    )
    guided_layouts: bool = Field(
        default=False, description="guidance strengthens layouts as it does the words: they are kept better, and sooner"
    )
    layout_models: Mapping[Literal["hed", "depth"], ModelName] = Field(
        default={}, description="what sees the layouts that need a network"
    )
    strength: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="how much of the source's pixels is drawn anew; null: nothing of them is kept"
    )
    image_prompt_scale: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0, description="how much the source counts as an image prompt"
    )

    def requests(self, run: Run, asked: Sequence[tuple[Spoken, Rewriting]], seed: int) -> list[Request]:
        """A request for each drawing; `images` in a row are of one new caption."""
        samples = list(dict.fromkeys(sample for (sample, _), _ in asked))
        kinds = {kind for sample in samples for kind in self._kept(sample)}
        seen = {kind: self._seen(run, kind, [s for s in samples if kind in self._kept(s)]) for kind in sorted(kinds)}
        return [
            self._request(
                sample, new, {kind: seen[kind][sample] for kind in self._kept(sample)}, (seed, row % self.images)
            )
            for row, ((sample, _), new) in enumerate(asked)
        ]

    def _kept(self, sample: Sample) -> Mapping[str, float]:
        """The layouts that an image gives, and how strictly each is kept."""
        return self.unmasked if self.unmasked and sample.mask is None and "masks" in self.layouts else self.layouts

    def _request(
        self, sample: Sample, new: Rewriting, layouts: Mapping[str, Address], turn: tuple[int, int]
    ) -> Request:
        return Request(
            prompt=new.caption,
            seed=seed_for("counterfactual", turn, sample.image, new.caption),
            label=sample.target if isinstance(sample.target, int) else None,
            negative_prompt=self.negative_prompt,
            source=sample.image,
            strength=self.strength,
            mask=sample.mask if self.strength is None else None,
            controls=tuple(
                Control(kind=kind, image=image, scale=self._kept(sample)[kind], guided=self.guided_layouts)
                for kind, image in layouts.items()
            ),
            image_prompt=sample.image if self.image_prompt_scale else None,
            image_prompt_scale=self.image_prompt_scale,
            guidance=self.guidance,
        )

    def _seen(self, run: Run, kind: str, samples: Sequence[Sample]) -> dict[Sample, Address]:
        """What a control of this kind names: the image or mask itself, or the picture that a network made of it."""
        if kind == "masks":
            return {sample: _mask(sample) for sample in samples}
        if kind in FOUND:
            return {sample: sample.image for sample in samples}
        models = {str(name): model for name, model in self.layout_models.items()}
        if kind not in models:
            raise BadConfig(
                f"layouts: nothing is given that sees {kind!r}; expected edges, canny or masks, which need no network, "
                "or hed or depth with its model in `layout_models`."
            )
        step = Layout.model_validate({"kind": kind, "model": models[kind]})
        made = run.map(step, [sample.image for sample in samples])
        return {sample: _made(one) for sample, one in zip(samples, made, strict=True)}


def _mask(sample: Sample) -> Address:
    if sample.mask is None:
        raise BadData(
            f"{sample.image.place} has no mask, and the layout `masks` needs one; leave it out of `layouts`, "
            "or say in `unmasked` what is kept instead."
        )
    return sample.mask


def _made(layout: Address | Failed) -> Address:
    if isinstance(layout, Failed):
        raise BadData(f"A layout cannot be made: {layout.reason}")
    return layout
