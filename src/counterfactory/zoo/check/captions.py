"""The captioner: does it name the factors of a true picture, and name them right."""

from collections.abc import Mapping, Sequence

from counterfactory.caption.captioner import Caption
from counterfactory.types import Failed, Gallery, Picture, Sample, Table
from counterfactory.zoo.check.subject import FACTORS, Section, Subject, Wanted, percent, share
from counterfactory.zoo.wording import named

ENOUGH = 4  # factors that a caption should name: in a room the weather has nothing to say
PART = 5
SHOWN = 40


def measure(subject: Subject) -> Section | str:
    """Captions true renders of fresh scenes."""
    model = subject.companion("captioner")
    if not model:
        return "There is no captioner beside the pipeline (captioner): not measured."
    samples = subject.some(PART)
    said = subject.run.map(Caption(model=model), [sample.image for sample in samples])
    pairs = [(sample, texts[0]) for sample, texts in zip(samples, said, strict=True) if not isinstance(texts, Failed)]
    found = [(sample, text, named(text)) for sample, text in pairs]
    rights = [all(sample.attributes[f] == value for f, value in told.items()) for sample, _, told in found]
    enough = [len(told) >= ENOUGH for _, _, told in found]
    numbers = {
        "all_right": share([right and many for right, many in zip(rights, enough, strict=True)]),
        "named_right": share(rights),
        "enough_named": share(enough),
    }
    pictures = tuple(
        Picture(sample=sample, label=str(sample.attributes["class"]), note=text) for sample, text, _ in found[:SHOWN]
    )
    return Section(
        name="captions",
        numbers=numbers,
        wanted=(
            Wanted(
                what="captioner: all that it names is right, and that is four factors or more",
                value=percent(numbers["all_right"]), two_cores=90, accelerator=95,
            ),
        ),
        tables=(_table(found),),
        galleries=(Gallery(title="Captions", pictures=pictures),),
    )  # fmt: skip


def _table(found: Sequence[tuple[Sample, str, Mapping[str, str]]]) -> Table:
    rows = []
    for factor in FACTORS:
        told = [(sample.attributes[factor], words[factor]) for sample, _, words in found if factor in words]
        rows.append((factor, percent(len(told) / max(1, len(found))), percent(share([a == b for a, b in told]))))
    return Table(
        title="Captions of true renders",
        columns=("factor", "named", "right where named"),
        rows=tuple(rows),
        note=f"In % of {len(found)} pictures.",
    )
