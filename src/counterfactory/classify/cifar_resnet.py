"""The residual network for small images (He et al. 2016, section 4.2) as a transformers model; loads torch."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForImageClassification, ResNetConfig, ResNetForImageClassification


class CifarResNetConfig(ResNetConfig):  # type: ignore[no-untyped-call]
    """Its own name, so that no folder of such weights is taken for a network with another beginning."""

    model_type = "cifar-resnet"


class CifarResNetForImageClassification(ResNetForImageClassification):  # type: ignore[no-untyped-call]
    """Three stages, the first at the images' own size; where a stage halves it, the shortcut has no weights."""

    config_class = CifarResNetConfig

    def __init__(self, config: Any):
        super().__init__(config)
        whole: Any = self
        stem = whole.resnet.embedder
        stem.embedder.convolution = nn.Conv2d(config.num_channels, config.embedding_size, 3, padding=1, bias=False)
        stem.pooler = nn.Identity()
        for stage in whole.resnet.encoder.stages[1:]:
            stage.layers[0].shortcut = Thinned()
        whole.post_init()


class Thinned(nn.Module):
    """Every second pixel, and as many channels again that are zero."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return functional.pad(x_BCHW[:, :, ::2, ::2], (0, 0, 0, 0, 0, x_BCHW.shape[1]))


def register() -> None:
    """From now on folders of such weights open like any other's."""
    AutoConfig.register(CifarResNetConfig.model_type, CifarResNetConfig, exist_ok=True)
    AutoModelForImageClassification.register(CifarResNetConfig, CifarResNetForImageClassification, exist_ok=True)
