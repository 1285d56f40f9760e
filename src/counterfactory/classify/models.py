"""What can be trained: a small network, a checkpoint, or a linear head on CLIP. Configuration only, without torch."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, Tag

from counterfactory.names import ModelName

Views = Annotated[int, Field(ge=1, le=1000)]


class SmallResNet(BaseModel, frozen=True, extra="forbid"):
    """A residual network of three stages, from scratch: for a few images of 32 to 128 pixels on any machine."""

    kind: Literal["small-resnet"] = "small-resnet"
    width: Annotated[int, Field(ge=4, le=512)] = (
        24  # channels of the first stage; the next ones have 2 and 4 times as many
    )
    blocks: Annotated[int, Field(ge=1, le=8)] = 1  # a stage: 1 makes 8 layers, 2 make 14


class CifarResNet(BaseModel, frozen=True, extra="forbid"):
    """The residual network for CIFAR (He et al. 2016), from scratch: for images of 28 to 64 pixels."""

    kind: Literal["cifar-resnet"] = "cifar-resnet"
    width: Annotated[int, Field(ge=4, le=512)] = 16  # channels of the first stage
    blocks: Annotated[int, Field(ge=1, le=18)] = 3  # a stage: 3 make 20 layers


class Checkpoint(BaseModel, frozen=True, extra="forbid"):
    """Any image classification checkpoint; its head is new where its classes are not the data's."""

    kind: Literal["checkpoint"] = "checkpoint"
    name: ModelName
    tune: Literal["frozen", "lora", "full"] = "frozen"
    rank: Annotated[int, Field(ge=1, le=1024)] = 8  # of the LoRA adapters
    views: Views = 10  # augmented views an image whose features are computed once, where the backbone is frozen


class ClipHead(BaseModel, frozen=True, extra="forbid"):
    """CLIP's frozen image tower and a linear head that starts from the class names' text embeddings."""

    kind: Literal["clip-head"] = "clip-head"
    name: ModelName
    views: Views = 10


def _kind(said: Any) -> str:
    """A name without a kind is a checkpoint's, so that `--set model.name=...` is enough."""
    if not isinstance(said, dict):
        return str(getattr(said, "kind", said))
    return str(said.get("kind", "checkpoint" if "name" in said else "small-resnet"))


Model = Annotated[
    Annotated[SmallResNet, Tag("small-resnet")]
    | Annotated[CifarResNet, Tag("cifar-resnet")]
    | Annotated[Checkpoint, Tag("checkpoint")]
    | Annotated[ClipHead, Tag("clip-head")],
    Discriminator(_kind),
]
FromScratch = SmallResNet | CifarResNet


def is_frozen(model: Model) -> bool:
    """Whether only a linear head is trained, on features that are computed once."""
    return isinstance(model, ClipHead) or (isinstance(model, Checkpoint) and model.tune == "frozen")


def usual_learning_rate(model: Model) -> float:
    """What suits a model with AdamW and batches of about 32 images."""
    if isinstance(model, Checkpoint):
        return {"frozen": 1e-3, "lora": 5e-4, "full": 5e-5}[model.tune]
    return 2e-3 if isinstance(model, FromScratch) else 2e-4
