"""The numbers that published work gives of explanations: what each is, and those that need no encoder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from counterfactory.classify.insertion import Insertion
from counterfactory.errors import BadData
from counterfactory.metrics import explanations as worth
from counterfactory.metrics.statistics import in_percent
from counterfactory.metrics.validity import Vectors
from counterfactory.recipes.explained import NOT, Explained
from counterfactory.recipes.questions import answers_of
from counterfactory.recipes.tested import Labels, label_map
from counterfactory.run import Run
from counterfactory.types import Address, Dataset, Failed, Interval

Group = Sequence[Explained]


@dataclass(frozen=True, kw_only=True, eq=False)
class Measure:
    """One number: what it is called, how it is taken, and what it says in a few words."""

    name: str
    take: Callable[[Group], Interval]
    says: str
    of: tuple[str, ...] = ("flips", "all")  # groups of which it can be taken


def plain() -> list[Measure]:
    """What needs no model."""
    return [
        Measure(
            name="flip rate, %",
            take=lambda group: in_percent(worth.flip_rate([one.facts["flipped"] for one in group])),
            says="answers that became the wanted one",
            of=("all",),
        ),
        Measure(name="L1", take=lambda group: _mean_fact(group, "l1"), says="mean difference of colours, 0 to 1"),
        Measure(name="L2", take=lambda group: _mean_fact(group, "l2"), says="root mean square difference, 0 to 1"),
    ]


def by_insertion(run: Run, classifier: str, labels: Labels, data: Dataset) -> Measure:
    """COUT: how few of the changed pixels change the answer."""

    def take(group: Group) -> Interval:
        names = answers_of(run, classifier, label_map(labels), data).names
        told = list(zip(all_of(run.map(Insertion(classifier=classifier), pairs(group))), group, strict=True))
        wanted, before = ([_curve(c, one, fact, names) for c, one in told] for fact in ("wanted", "predicted"))
        return worth.insertion_gain(wanted, before)

    return Measure(name="COUT ↑", take=take, says="area under p(wanted) less p(before) as pixels are put in, -1 to 1")


def _curve(curve_TC: Vectors, one: Explained, fact: str, names: tuple[str, ...]) -> Vectors:
    """The probability of an answer along the way; of an attribute, that it is there or not."""
    answer, attribute = one.facts[fact], one.facts.get("attribute")
    said: Vectors = curve_TC[:, [name == (attribute or answer) for name in names]].sum(1)  # several may mean one
    return 1 - said if attribute and answer == NOT + attribute else said


def _mean_fact(group: Group, name: str) -> Interval:
    return worth.mean_distance([one.facts[name] for one in group])


def pairs(group: Group) -> list[tuple[Address, Address]]:
    """Each source and what it became."""
    return [(one.source.image, one.changed.image) for one in group]


def all_of(said: Sequence[Any]) -> list[Any]:
    """Results of which each must be there."""
    for one in said:
        if isinstance(one, Failed):  # published pictures can be read: something else is wrong
            raise BadData(one.reason)
    return list(said)
