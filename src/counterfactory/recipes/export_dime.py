"""The folder tree of the published DiME, so that scripts which read it can: originals, results, and facts of each.

Explanations are numbered in their order, each beside its source, which is there once for each answer that was wanted.
Pictures are PNG: the published ones are JPEG, and so are the pixels that published numbers were taken of.
"""

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

from counterfactory.data.labels import class_order
from counterfactory.data.read import read
from counterfactory.data.write import new_folder
from counterfactory.errors import BadData
from counterfactory.pixels import Pixels
from counterfactory.recipes.explained import Explained
from counterfactory.recipes.explained_data import read_back
from counterfactory.types import Address

EXPERIMENT = "counterfactory"
RESULTS = ("CF", "Noise", "Info", "SM")


def export(folder: Path, out: Path, tell: Callable[[str], None]) -> Path:
    """Original/{Correct,Incorrect} and Results/EXPERIMENT/{CC,IC}/{CCF,ICF}/{CF,Noise,Info,SM} of published data."""
    collection = read(str(folder))
    made = read_back(collection)
    if not all(one.start and one.difference for one in made):
        raise BadData(f"{folder} lacks noised starts or maps of differences; run `counterfactory explain` again.")
    names = _names(made, collection.classes)
    with new_folder(out) as part:
        _make_folders(part)
        for number, one in enumerate(made):
            _write(part, f"{number:07d}", one, names)
    if unknown := sum(one.facts["label"] is None for one in made):
        tell(f"{unknown} of {len(made)} sources lack a label: they stand among the incorrect, whatever they are.")
    return out


def _names(made: Sequence[Explained], classes: tuple[str, ...]) -> tuple[str, ...]:
    """Every answer: the classes of the data, then those that the classifier alone knows."""
    said = {one.facts[fact] for one in made for fact in ("predicted", "wanted", "answered")}
    return tuple(dict.fromkeys((*classes, *class_order(said))))


def _make_folders(out: Path) -> None:
    """All of them, also those that stay empty: scripts list them."""
    for name in ("Correct", "Incorrect"):
        (out / "Original" / name).mkdir(parents=True)
    for parts in product(("CC", "IC"), ("CCF", "ICF"), RESULTS):
        out.joinpath("Results", EXPERIMENT, *parts).mkdir(parents=True)


def _write(out: Path, name: str, one: Explained, names: tuple[str, ...]) -> None:
    into = (
        out / "Results" / EXPERIMENT / ("CC" if one.is_correct else "IC") / ("CCF" if one.facts["flipped"] else "ICF")
    )
    original = out / "Original" / ("Correct" if one.is_correct else "Incorrect")
    pictures: Sequence[tuple[Path, Address | None]] = (
        (original, one.source.image),
        (into / "CF", one.changed.image),
        (into / "Noise", one.start),
        (into / "SM", one.difference),
    )
    for folder, address in pictures:
        assert address is not None
        Pixels().image(address).save(folder / f"{name}.png")
    (into / "Info" / f"{name}.txt").write_text(_info(one, names), encoding="utf-8")


def _info(one: Explained, names: tuple[str, ...]) -> str:
    """The six facts: answers by number, how unsure of the wanted it still is, and the mean difference of colours."""
    words = {"label": "label", "pred": "predicted", "target": "wanted", "cf pred": "answered"}
    answers = {word: _number(one, fact, names) for word, fact in words.items()}
    facts = {**answers, "BKL": 1 - one.facts["after"], "l_1": one.facts["l1"]}
    return "\n".join(f"{name}: {value}" for name, value in facts.items())


def _number(one: Explained, fact: str, names: tuple[str, ...]) -> int:
    """A class by its number, an attribute by 1 or 0; a label that nobody knows is -1."""
    answer, attribute = one.facts[fact], one.facts.get("attribute")
    if answer is None:
        return -1
    return names.index(answer) if attribute is None else int(answer == attribute)
