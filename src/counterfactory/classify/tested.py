"""Which model is under test: saved weights, an ONNX file, a person's own function, or an endpoint. Configuration only.

`model_under_test` makes it from what a person says. What its answers follow from is in its fields, and so in its key.
"""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Discriminator, Field, field_validator

from counterfactory.classify.here import here_first
from counterfactory.classify.labels import names_of
from counterfactory.classify.preparation import FILE, read_preparation
from counterfactory.classify.safe import refusal
from counterfactory.config import resolve
from counterfactory.errors import BadConfig
from counterfactory.keys import ASIDE, digest
from counterfactory.names import HUB_ID, PICKLED, ModelName, model_folder
from counterfactory.shipped import is_shipped
from counterfactory.training.loading import CONFIG, read_json
from counterfactory.types import Artifact

Scores = Literal["probabilities", "logits"]
Side = Annotated[int, Field(ge=1, le=4096)]
Colour = tuple[float, float, float]
SECRET = re.compile(r"(?i)(^|[&_-])(key|api_?key|token|secret|password|passwd|sig|signature)=")
FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class SavedModel(BaseModel, frozen=True, extra="forbid"):
    """Any checkpoint of `AutoModelForImageClassification`, ours among them."""

    kind: Literal["saved"] = "saved"
    name: Artifact | ModelName


class OnnxModel(BaseModel, frozen=True, extra="forbid"):
    """An ONNX file; what its graph leaves open is said here, or stands in a `preprocessor_config.json` beside it."""

    kind: Literal["onnx"] = "onnx"
    name: ModelName
    weights: ModelName | None = None  # a second file, where the first is too large for one
    scores: Scores = "probabilities"
    layout: Literal["channels first", "channels last"] | None = None
    size: tuple[Side, Side] | None = None  # width, height
    mean: Colour | None = None  # of pixels from 0 to 1
    deviation: Colour | None = None
    resample: Annotated[int, Field(ge=0, le=5)] | None = None  # as Pillow numbers its filters
    crop: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = (
        None  # the side of the middle that is kept, as a share of the shorter side
    )
    classes: tuple[str, ...] | None = None  # the names of its outputs


class FunctionModel(BaseModel, frozen=True, extra="forbid"):
    """A person's own function: a list of PIL images in, for each a list of scores or a mapping from names to scores."""

    kind: Literal["function"] = "function"
    name: str  # package.module:function
    source: str  # the digest of its module
    scores: Scores = "probabilities"
    revision: str = ""  # another word when something else that it uses has changed


class EndpointModel(BaseModel, frozen=True, extra="forbid"):
    """An address that is sent one image a request and answers with its scores."""

    kind: Literal["endpoint"] = "endpoint"
    name: str  # http://... or https://...
    sends: Literal["png", "json"] = "png"
    scores: Scores = "probabilities"
    revision: str = ""  # another word when another model stands behind it
    timeout: Annotated[float, Field(gt=0), ASIDE] = 30.0  # seconds
    at_once: Annotated[int, Field(ge=1, le=256), ASIDE] = 8  # requests

    @field_validator("name")
    @classmethod
    def _is_address(cls, name: str) -> str:
        parts = urlsplit(name)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("expected an address, as in http://localhost:8000/scores")
        if "@" in parts.netloc or SECRET.search(parts.query):
            raise ValueError("an address holds no name, password or key: give the key as MODEL_API_KEY")
        if not (parts.path + parts.query).isascii() or parts.port == 0:  # a port beyond all ports raises by itself
            raise ValueError("expected a port and letters that an address may have; write others as in %C3%A4")
        return name


TestedModel = Annotated[SavedModel | OnnxModel | FunctionModel | EndpointModel, Discriminator("kind")]


def model_under_test(
    said: str | Artifact | Mapping[str, Any],
) -> SavedModel | OnnxModel | FunctionModel | EndpointModel:
    """The model that a name stands for, or a `name` with further fields of its kind."""
    fields = {"name": said} if isinstance(said, str | Artifact) else dict(said)
    name = fields.pop("name", None)
    if isinstance(name, Artifact):
        return resolve(SavedModel(name=name), fields)
    if not isinstance(name, str) or not name:
        raise BadConfig(
            "No model given; expected a folder, a hub id, an .onnx file, package.module:function or http://..."
        )
    return resolve(_named(name), fields)


def is_segmenter(model: SavedModel) -> bool:
    """Whether a checkpoint says of itself that it tells the classes of pixels."""
    if isinstance(model.name, Artifact):
        return model.name.kind == "segmenter"
    return "SemanticSegmentation" in str(read_json(model_folder(model.name) / CONFIG).get("architectures"))


def _named(name: str) -> SavedModel | OnnxModel | FunctionModel | EndpointModel:
    if re.match(r"https?://", name):
        return resolve(EndpointModel(name="http://localhost"), {"name": name})
    if file := _onnx_file(name):
        return _onnx(file)
    if any(Path(name).match(pattern) for pattern in PICKLED):
        raise BadConfig(refusal(Path(name), Path(name).name))
    if is_shipped(name) or Path(name).exists() or not FUNCTION.fullmatch(name):
        return _saved(name)
    return FunctionModel(name=name, source=_source(name))


def _saved(name: str) -> SavedModel:
    if not (is_shipped(name) or Path(name).is_dir() or HUB_ID.fullmatch(name)):
        raise BadConfig(
            f"There is no model {name!r}; expected a folder, a hub id (owner/model), a model of the zoo, "
            "an .onnx file, package.module:function or an address http://..."
        )
    return SavedModel(name=name)


def _onnx_file(name: str) -> Path | None:
    """The ONNX file that is meant: itself, or the only one in a folder without other weights."""
    path = Path(name)
    if path.suffix == ".onnx" and not path.is_dir():
        if not path.is_file():
            raise BadConfig(f"There is no ONNX file {name}.")
        return path
    if path.is_dir() and not any(path.glob("*.safetensors")):
        found = sorted(path.glob("*.onnx"))
        if len(found) > 1:
            raise BadConfig(f"{name} holds {len(found)} ONNX files; give one of them: {', '.join(map(str, found))}.")
        return found[0] if found else None
    return None


def _onnx(file: Path) -> OnnxModel:
    """With all that lies beside it and says how it is to be asked."""
    beside: dict[str, Any] = {}
    if (file.parent / FILE).is_file():
        told = read_preparation(file.parent)
        names = ("size", "mean", "deviation", "resample", "crop")
        beside |= {name: getattr(told, name) for name in names}
    if classes := _classes(file.parent / CONFIG):
        beside["classes"] = classes
    weights = [path for end in ("_data", ".data") if (path := file.with_name(file.name + end)).is_file()]
    return resolve(OnnxModel(name=str(file), weights=str(weights[0]) if weights else None), beside)


def _classes(config: Path) -> tuple[str, ...] | None:
    """The names that a configuration as transformers writes it gives to outputs."""
    try:
        names = {int(number): str(name) for number, name in read_json(config).get("id2label", {}).items()}
    except (ValueError, AttributeError) as error:
        raise BadConfig(f"{config} cannot be read as the model's configuration ({error}).") from None
    return names_of([names[number] for number in sorted(names)]) if names else None


def _source(name: str) -> str:
    """The digest of the file that a function stands in."""
    module = name.partition(":")[0]
    with here_first():
        try:
            spec = find_spec(module)
        except (Exception, SystemExit) as error:  # a package above it that is not there, or cannot be imported
            raise BadConfig(
                f"The module {module!r} of the model {name!r} cannot be found: {type(error).__name__}: {error}."
            ) from error
    if spec is None or not spec.origin or not Path(spec.origin).is_file():
        raise BadConfig(f"There is no module {module!r} for the model {name!r}, neither in {Path.cwd()} nor installed.")
    return digest(Path(spec.origin).read_bytes())
