"""Networks for training: made or loaded, frozen as far as the configuration says, with logits as their one answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from counterfactory.classify.cifar_resnet import CifarResNetConfig, CifarResNetForImageClassification, register
from counterfactory.classify.clip import read_clip
from counterfactory.classify.models import Checkpoint, ClipHead, FromScratch, Model, SmallResNet
from counterfactory.classify.preparation import Preparation, read_preparation
from counterfactory.errors import BadConfig
from counterfactory.keys import seed_for
from counterfactory.names import model_folder
from counterfactory.training.loading import loading
from counterfactory.types import Task


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A network to train: `module` learns; where a frozen backbone stands before it, `features` says what it gives."""

    module: nn.Module
    preparation: Preparation
    features: Callable[[Tensor], Tensor] | None = None
    keep_normalisation: bool = False  # batch norms of a frozen backbone stay in evaluation mode
    whole: Any = None  # what is saved

    def to(self, device: str, layout: torch.memory_format) -> None:
        """Moves all of it."""
        for part in (self.module, getattr(self.whole, "tower", self.whole)):
            part.to(device).to(memory_format=layout)  # type: ignore[call-overload]  # missing in torch's own types


class Logits(nn.Module):
    """A transformers classifier that answers with a tensor."""

    def __init__(self, classifier: Any):
        super().__init__()
        self.classifier = classifier

    def forward(self, x_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.classifier(pixel_values=x_BCHW).logits
        return logits


@contextmanager
def seeded(device: str, *parts: Any) -> Iterator[None]:
    """Torch's own generators follow the given parts inside, and are as they were afterwards."""
    kind = torch.device(device).type
    before = torch.get_rng_state()
    other = None if kind == "cpu" else torch.get_device_module(kind)
    state = other.get_rng_state() if other else None
    try:
        torch.default_generator.manual_seed(seed_for(*parts))
        if other:
            other.manual_seed(seed_for(*parts))
        yield
    finally:
        torch.set_rng_state(before)
        if other:
            other.set_rng_state(state)


def build(model: Model, classes: tuple[str, ...], task: Task, size: tuple[int, int] | None) -> Network:
    """The network that a configuration names; `size` None takes a checkpoint's own."""
    if isinstance(model, FromScratch):
        assert size is not None, "a network from scratch has no size of its own"
        return _from_scratch(model, said(classes, task), Preparation(size=size))
    folder = model_folder(model.name)
    own = read_preparation(folder)
    preparation = Preparation(size=size or own.size, mean=own.mean, deviation=own.deviation, grey=own.grey)
    if isinstance(model, ClipHead):
        clip = read_clip(folder, classes, preparation)
        return Network(module=clip.head, preparation=preparation, features=clip.features, whole=clip)
    return _checkpoint(model, folder, said(classes, task), preparation)


def said(classes: tuple[str, ...], task: Task) -> dict[str, Any]:
    """The part of a transformers configuration that names the classes."""
    kind = "multi_label_classification" if task == "multi-label" else "single_label_classification"
    return {
        "num_labels": len(classes),
        "id2label": dict(enumerate(classes)),
        "label2id": {name: number for number, name in enumerate(classes)},
        "problem_type": kind,
    }


def _from_scratch(model: FromScratch, labels: dict[str, Any], preparation: Preparation) -> Network:
    from transformers import ResNetConfig, ResNetForImageClassification

    sizes = {"embedding_size": model.width, "hidden_sizes": [model.width, model.width * 2, model.width * 4]}
    shape = {**sizes, "depths": [model.blocks] * 3, "layer_type": "basic", **labels}
    if isinstance(model, SmallResNet):
        whole = ResNetForImageClassification(ResNetConfig(**shape))
    else:
        whole = CifarResNetForImageClassification(CifarResNetConfig(**shape))
    return Network(module=Logits(whole), preparation=preparation, whole=whole)


def _checkpoint(model: Checkpoint, folder: Path, labels: dict[str, Any], preparation: Preparation) -> Network:
    whole, is_new = _load(folder, labels)
    network = Network(module=Logits(whole), preparation=preparation, whole=whole)
    name, head = _head(network, model.name)
    if head is not None and is_new:
        head.reset_parameters()
    if model.tune == "full":
        return network
    if head is None:
        raise BadConfig(
            f"The head of {model.name} is not one linear layer, so its backbone cannot stay frozen: tune: full."
        )
    if model.tune == "lora":
        adapted = _adapt(whole, name, model.rank)
        head.requires_grad_(True)
        return replace(network, module=Logits(adapted), whole=adapted, keep_normalisation=True)
    whole.eval().requires_grad_(False)
    head.requires_grad_(True)
    return replace(network, module=head, features=_before(network.module, head))


def _load(folder: Path, labels: dict[str, Any]) -> tuple[Any, bool]:
    """The checkpoint, and whether its head has other classes than these in this order."""
    from transformers import AutoConfig, AutoModelForImageClassification

    register()
    with loading(folder):
        before = AutoConfig.from_pretrained(folder, trust_remote_code=False).id2label
        whole = AutoModelForImageClassification.from_pretrained(
            folder,
            **labels,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            use_safetensors=True,
            dtype=torch.float32,
        )
    return whole, before != labels["id2label"]


def _head(network: Network, name: str) -> tuple[str, nn.Linear | None]:
    """The linear layer whose output the logits are, and its name."""
    width, height = network.preparation.size
    outputs: dict[str, Tensor] = {}
    linears = {n: m for n, m in network.whole.named_modules() if isinstance(m, nn.Linear)}
    hooks = [m.register_forward_hook(lambda _m, _i, out, n=n: outputs.update({n: out})) for n, m in linears.items()]
    network.module.eval()
    with torch.no_grad():
        try:
            logits = network.module(torch.zeros(1, 3, height, width))
        except (ValueError, RuntimeError) as error:
            raise BadConfig(
                f"{name} cannot take images of {width} x {height} pixels: {error} Leave `size` out."
            ) from error
    for hook in hooks:
        hook.remove()
    found = [
        n for n, out in outputs.items() if out.shape[-1] == logits.shape[-1] and torch.equal(out.flatten(), logits[0])
    ]
    return (found[-1], linears[found[-1]]) if found else ("", None)


def _before(module: nn.Module, head: nn.Linear) -> Callable[[Tensor], Tensor]:
    """What a network hands to its head."""

    def features(x_BCHW: Tensor) -> Tensor:
        caught: list[Tensor] = []
        hook = head.register_forward_pre_hook(lambda _module, inputs: caught.append(inputs[0]))
        with torch.no_grad():
            module(x_BCHW)
        hook.remove()
        return caught[0].flatten(1)

    return features


def _adapt(whole: nn.Module, head: str, rank: int) -> Any:
    """LoRA adapters (Hu et al. 2022) on every linear layer and convolution but the head."""
    from peft import LoraConfig, LoraModel

    targets = [
        name
        for name, module in whole.named_modules()
        if (isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)) and name != head
    ]
    return LoraModel(whole, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets), "default")
