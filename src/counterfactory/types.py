"""The nouns. Every recipe is written in terms of these; none of them knows a model or a disk."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Item_in = TypeVar("Item_in", contravariant=True)
Result_out = TypeVar("Result_out", covariant=True)

Plain = str | int | float | bool | None
Target = int | tuple[float, ...] | tuple[int | None, ...] | None
Task = Literal["single-label", "soft-label", "multi-label", "segmentation"]


@dataclass(frozen=True, slots=True)
class Address:
    """Pixels: what they are (the digest) and where they lie now (the place). Only the first is identity."""

    digest: str
    place: str = field(default="blob", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """How an image was made, and from what."""

    parent: str | None = None  # digest of the image it was made from
    prompt: str | None = None
    seed: int | None = None
    model: str | None = None  # name and revision
    changed: Mapping[str, str] = field(default_factory=dict, hash=False)  # factor -> new value
    settings: Mapping[str, Plain] = field(default_factory=dict, hash=False)  # strength, guidance, noise and their like


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One labelled image. A photograph has no origin; a score is a fact about a sample and not in it."""

    image: Address
    target: Target = None
    mask: Address | None = None
    caption: str | None = None
    attributes: Mapping[str, Plain] = field(default_factory=dict, hash=False)
    origin: Origin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A layout that an image must follow."""

    kind: str
    image: Address
    scale: float = 1.0
    guided: bool = False  # it stands for what is asked, as the words do: guidance strengthens it too


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenNoise:
    """How far the learnt vectors of a prompt are moved at random; as parts of their own length if relative."""

    deviation: float
    seed: int
    relative: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An image to be drawn: all that an engine may look at."""

    prompt: str
    seed: int
    label: int | None = None
    negative_prompt: str = ""
    source: Address | None = None
    strength: float | None = None
    mask: Address | None = None
    controls: tuple[Control, ...] = ()
    image_prompt: Address | None = None
    image_prompt_scale: float = 0.0
    guidance: float = 7.5
    size: tuple[int, int] | None = None  # width, height
    noise: TokenNoise | None = None  # of the learnt tokens in the prompt
    keeps_masked: bool = False  # what the mask marks stays, and all else is drawn anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A caption that may be rewritten, and what must stay in it."""

    caption: str
    label: str = ""  # what the picture is of, in words
    synonyms: tuple[str, ...] = ()  # other words for the label; they stay too
    task: str = ""  # what the labels are for, in words
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change of a caption: words that stood in it, none where something is added, and words in their place."""

    kind: str  # weather, colour, ...: see `counterfactory.language.kinds`
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewriting:
    """A caption as it reads after its edits."""

    caption: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassWish:
    """Prompts that are wanted for a class: how many, and the other classes of the data, which they must not name."""

    name: str
    others: tuple[str, ...] = ()
    number: int = 1
    about: str = ""  # what the data show, in words
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """An image, and what a classifier should have said of it: a class, or an attribute that is there or not."""

    image: Address
    wanted: int
    present: bool = True  # of attributes alone: whether the wanted one should be there
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The least change found by which a classifier says something else, and what it said before and after."""

    sample: Sample  # the changed image; its origin names the one that was asked about
    start: Address  # the image under as much noise as the search began from
    before: tuple[float, ...]  # probability of every class, or of every attribute
    after: tuple[float, ...]
    flipped: bool
    scale: float  # how strongly the classifier pulled in the end
    tries: int  # scales that were tried
    trace: tuple[Address, ...] = ()  # what the search thought of at each step, where that was asked for


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Ordered samples of one split. A filter is a weight of 0 or 1; no weights means all 1."""

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    task: Task = "single-label"
    split: str = "train"
    weights: tuple[float, ...] | None = None

    def __len__(self) -> int:
        return len(self.samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something about the data that its owner should know."""

    where: str
    what: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Collection:
    """All that a path held: its splits by name, how it was recognised, and what was wrong with it."""

    name: str
    kind: str
    splits: Mapping[str, Dataset]
    problems: tuple[Problem, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        return next(iter(self.splits.values())).classes

    @property
    def task(self) -> Task:
        return next(iter(self.splits.values())).task


@dataclass(frozen=True, slots=True)
class Failed:
    """An item that could not be done, and why; it stands where its result would."""

    key: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What a training left: a folder of the workspace, named by its key. May be a field of a later step."""

    kind: str
    key: str
    numbers: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under column names; a cell is text, a number or an `Interval`."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean and its 95 % interval over `n` repetitions; no bounds when there was only one."""

    mean: float
    low: float | None = None
    high: float | None = None
    n: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line or one group of bars: y over x, with bounds where they are known."""

    name: str
    x: tuple[Any, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Series to be drawn as bars, lines or a matrix (one series a row)."""

    title: str
    kind: Literal["bars", "lines", "matrix"]
    series: tuple[Series, ...]
    x: str = ""
    y: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image to be shown, beside its source where it has one, with its class, scores and lineage."""

    sample: Sample
    label: str
    note: str = ""  # one line beside its label
    source: Address | None = None
    difference: Address | None = None  # where it is not as its source: then the two are shown over each other too
    steps: tuple[Address, ...] = ()  # how it came about
    scores: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """Pictures under one title."""

    title: str
    pictures: tuple[Picture, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a recipe found: words, numbers, tables, plots and pictures."""

    title: str
    summary: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    galleries: tuple[Gallery, ...] = ()


class Step(Protocol[Item_in, Result_out]):
    """A frozen pydantic model that says what to do; `load` makes the thing that does it, on a batch.

    Its fields are its configuration, its command-line options, its cache key and what travels to a
    worker. `version` is bumped when its output changes. The batch callable returns one result or one
    `Failed` an item, in order; what it raises is met by halving the batch. A step whose items are large and
    stand alone, such as whole data sets, says `pads: ClassVar[bool] = False`: it is never given copies to fill a batch.
    One that works on many items at the same time, such as requests to an endpoint, says with `at_once` (a number) how
    many it wants in a batch where the worker would give it fewer. One that is fastest with items of one sort has
    `alike(worker, item)`: items for which it says the same share batches, and results stay in the items' order.
    """

    version: ClassVar[int]

    def load(self, worker: Any) -> Callable[[Sequence[Item_in]], Sequence[Result_out | Failed]]: ...


class Trainer(Protocol):
    """A frozen pydantic model whose `fit` leaves an artifact's files in `folder`, resumable from there.

    It returns the numbers worth remembering. A call on a folder that a killed call left goes on from its checkpoint.
    """

    version: ClassVar[int]
    kind: ClassVar[str]

    def fit(self, worker: Any, folder: Any, datasets: Mapping[str, Dataset]) -> Mapping[str, Any]: ...


def succeeded(pairs: Iterable[tuple[Item, Result | Failed]]) -> Iterator[tuple[Item, Result]]:
    """The pairs whose result is there: a recipe says with this that it goes on without the others."""
    return ((item, result) for item, result in pairs if not isinstance(result, Failed))
