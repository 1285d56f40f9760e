"""CLIP: does a picture find its own caption among others, and among captions that differ in one factor alone."""

from counterfactory.data.diorama import world
from counterfactory.data.diorama.captions import caption
from counterfactory.data.diorama.dice import Dice
from counterfactory.score.clip import ClipScore, ClipZeroShot
from counterfactory.types import Failed, Sample, Table
from counterfactory.zoo.check.subject import FACTORS, Section, Subject, percent, scene_of, share

CHOICE = 32  # captions among which a picture is to find its own
PART = 5


def measure(subject: Subject) -> Section | str:
    """Pairs true renders of fresh scenes with plain captions."""
    model = subject.companion("clip")
    if not model:
        return "There is no CLIP beside the pipeline (clip): not measured."
    found = _found(subject, model)
    told = {factor: _told(subject, model, factor) for factor in FACTORS}
    rows = [("its own caption", f"{CHOICE}", percent(found))]
    rows += [(f"the right {factor}", "2", percent(value)) for factor, value in told.items()]
    return Section(
        name="retrieval",
        numbers={"own_caption": found, "one_factor": told},
        tables=(
            Table(
                title="CLIP",
                columns=("a true render finds", "among", "found"),
                rows=tuple(rows),
                note="In % of the pictures. Of two captions, one has another value for that factor alone.",
            ),
        ),
    )


def _found(subject: Subject, model: str) -> float:
    different = list({caption(scene_of(sample)): sample for sample in subject.scenes}.items())
    rights = []
    for start in range(0, len(different), CHOICE):
        group = different[start : start + CHOICE]
        step = ClipZeroShot(model=model, classes=tuple(text for text, _ in group), prompt="{}")
        said = subject.run.map(step, [sample.image for _, sample in group])
        rights += [not isinstance(row, Failed) and row.index(max(row)) == at for at, row in enumerate(said)]
    return share(rights)


def _told(subject: Subject, model: str, factor: str) -> float:
    samples = [sample for sample in subject.some(PART) if factor != "weather" or sample.attributes["surface"] != "room"]
    pairs = [(s.image, text) for s in samples for text in (caption(scene_of(s)), _changed(s, factor))]
    scores = list(subject.run.map(ClipScore(model=model), pairs))
    rights = [
        not isinstance(right, Failed) and not isinstance(wrong, Failed) and right > wrong
        for right, wrong in zip(scores[::2], scores[1::2], strict=True)
    ]
    return share(rights)


def _changed(sample: Sample, factor: str) -> str:
    """The caption of the same scene with another value."""
    scene, name = scene_of(sample), "kind" if factor == "class" else factor
    others = [value for value in world.FACTORS[name] if value not in {getattr(scene, name), world.KEPT_BACK}]
    return caption(world.changed(scene, **{name: Dice(f"check caption {factor} {sample.image.digest}").pick(others)}))
