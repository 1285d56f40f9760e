"""What is asked of those who make images: one to be drawn, or one that is answered otherwise."""

from dataclasses import dataclass

from counterfactory.types.samples import Address, Sample


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
class Question:
    """An image, and what a classifier should have said of it: a class, or an attribute that is there or not."""

    image: Address
    wanted: int
    also: tuple[int, ...] = ()  # further outputs of a classifier that stand for the wanted class
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
