"""IP-Adapter: how many factors a drawing shares with its image prompt, as the image prompt's scale rises."""

from collections.abc import Mapping, Sequence

from counterfactory.data.diorama.captions import NOUNS
from counterfactory.types import Gallery, Picture, Plot, Sample, Series, Table
from counterfactory.zoo.check.subject import FACTORS, Drawn, Section, Subject, Wanted, percent, scene_of, share

SCALES = (0.2, 0.5, 0.8)
LOW, HIGH = 0.2, 0.8
PART = 10
SHOWN = 24


def measure(subject: Subject) -> Section | str:
    """Asks for a class in words and for all else by a picture of it."""
    adapter = subject.companion("ip_adapter")
    if not adapter:
        return "There is no IP-Adapter beside the pipeline (ip_adapter): not measured."
    samples = subject.some(PART)
    groups = {scale: _drawn(subject, samples, adapter, scale) for scale in SCALES}
    found = {scale: _agreement(samples, drawn) for scale, drawn in groups.items()}
    means = {scale: sum(shares.values()) / len(shares) for scale, shares in found.items()}
    rise = means[HIGH] - means[LOW]
    return Section(
        name="likeness",
        numbers={"rise": round(rise, 4), "by_scale": {str(scale): round(mean, 4) for scale, mean in means.items()}},
        wanted=(
            Wanted(
                what=f"IP-Adapter: agreement rises from scale {LOW} to {HIGH} by",
                value=percent(rise), two_cores=20, accelerator=30, unit="points",
            ),
        ),
        tables=(_table(found, means),),
        plots=(_plot(found),),
        galleries=tuple(_gallery(scale, samples, groups[scale]) for scale in (LOW, HIGH)),
    )  # fmt: skip


def _table(found: Mapping[float, Mapping[str, float]], means: Mapping[float, float]) -> Table:
    return Table(
        title="Agreement with the image prompt",
        columns=("scale", "all five", *FACTORS),
        rows=tuple((s, percent(means[s]), *(percent(found[s][factor]) for factor in FACTORS)) for s in SCALES),
        note="In % of the drawings. The words name the class alone.",
    )


def _plot(found: Mapping[float, Mapping[str, float]]) -> Plot:
    series = tuple(
        Series(name=factor, x=SCALES, y=tuple(percent(found[scale][factor]) for scale in SCALES)) for factor in FACTORS
    )
    title, x, y = "Agreement as the scale rises", "scale of the image prompt", "agreement in %"
    return Plot(title=title, kind="lines", series=series, x=x, y=y)


def _drawn(subject: Subject, samples: Sequence[Sample], adapter: str, scale: float) -> list[Drawn | None]:
    requests = [
        subject.request(f"a {NOUNS[scene_of(s).kind][0]}", s, image_prompt=s.image, image_prompt_scale=scale)
        for s in samples
    ]
    return subject.drawn(requests, adapter=adapter)


def _agreement(samples: Sequence[Sample], drawn: Sequence[Drawn | None]) -> dict[str, float]:
    pairs = [(sample, one) for sample, one in zip(samples, drawn, strict=True) if one]
    return {factor: share([one.sight.said[factor] == s.attributes[factor] for s, one in pairs]) for factor in FACTORS}


def _gallery(scale: float, samples: Sequence[Sample], drawn: Sequence[Drawn | None]) -> Gallery:
    pictures = tuple(
        Picture(sample=one.sample, label=str(sample.attributes["class"]), source=sample.image)
        for sample, one in zip(samples[:SHOWN], drawn, strict=False)
        if one
    )
    return Gallery(title=f"After an image prompt, at scale {scale}", pictures=pictures)
