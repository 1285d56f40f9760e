"""Classes as what a denoising network listens to: a trained module that takes a text encoder's place."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from counterfactory.diffusion.adapted import Shape
from counterfactory.diffusion.trace import Trace
from counterfactory.errors import BadConfig
from counterfactory.training.schedule import Count

NO_CLASS = -1  # the label of a picture whose class is left unsaid, which is what guidance leads away from
HIDDEN = 500  # of the published shape
CONFIG, WEIGHTS, TRACE = "config.json", "model.safetensors", "trace.safetensors"


class Settings(BaseModel, frozen=True, extra="forbid"):
    """What a class encoder says, and of what."""

    classes: tuple[str, ...]
    shape: Shape
    tokens: Count
    width: Count  # numbers of a token
    summary: int = Field(default=0, ge=0)  # numbers that SDXL is told of a text as a whole
    size: Count  # side of the pictures that it was learnt from


class ClassEncoder(nn.Module):
    """Labels (B,) to contexts (B, tokens, width), and for SDXL summaries (B, summary).

    A `table` has a row for each class and one for `NO_CLASS`. The `published` shape (Lomurno et al. 2024) is a linear
    layer from one-hot labels to 500 numbers and one without bias to all tokens; `NO_CLASS` is the zero vector.
    With a `trace`, a drawing of a class begins with what training left of pictures in the noise.
    """

    trace: Trace | None = None

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        classes, numbers = len(settings.classes), settings.tokens * settings.width + settings.summary
        if settings.shape == "table":
            self.table = nn.Embedding(classes + 1, numbers)
        else:
            self.layers = nn.Sequential(nn.Linear(classes, HIDDEN), nn.Linear(HIDDEN, numbers, bias=False))

    def forward(self, labels_B: Tensor) -> tuple[Tensor, Tensor | None]:
        """What stands in the place of a text encoder's answers."""
        said, classes = self.settings, len(self.settings.classes)
        rows = labels_B % (classes + 1)  # the last one is that of NO_CLASS
        if said.shape == "table":
            numbers: Tensor = self.table(rows)
        else:
            one_hot = functional.one_hot(rows, classes + 1)[:, :classes]
            numbers = self.layers(one_hot.to(next(self.parameters()).dtype))
        contexts, summaries = numbers[:, : said.tokens * said.width], numbers[:, said.tokens * said.width :]
        return contexts.reshape(-1, said.tokens, said.width), summaries if said.summary else None


def listed(classes: Sequence[str]) -> str:
    """How many classes there are and what the first are called."""
    return f"{len(classes)} classes ({', '.join(classes[:3])}{', ...' * (len(classes) > 3)})"


def save_class_encoder(encoder: ClassEncoder, folder: Path) -> None:
    """Writes the weights in half precision, and beside them what they mean."""
    tensors = {name: tensor.detach().cpu().half().contiguous() for name, tensor in encoder.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / WEIGHTS)
    if encoder.trace:
        save_file(vars(encoder.trace), folder / TRACE)
    (folder / CONFIG).write_text(encoder.settings.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_class_encoder(folder: Path) -> ClassEncoder:
    """The encoder of a folder, in float32, for use."""
    try:
        settings = Settings.model_validate_json((folder / CONFIG).read_text(encoding="utf-8"))
        encoder = ClassEncoder(settings)
        encoder.load_state_dict({name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()})
        encoder.trace = Trace(**load_file(folder / TRACE)) if (folder / TRACE).exists() else None
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BadConfig(
            f"{folder} holds no class encoder that can be read ({reason}): expected {CONFIG} and {WEIGHTS}, as "
            "training leaves them; train again."
        ) from error
    return encoder.eval().requires_grad_(False)
