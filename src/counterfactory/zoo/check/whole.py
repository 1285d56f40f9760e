"""The whole check: section after section, put together as one report and one set of numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterfactory.errors import BadConfig, TooManyFailures
from counterfactory.names import model_folder
from counterfactory.run import Run
from counterfactory.shipped import is_shipped
from counterfactory.types import Report, Table
from counterfactory.zoo.check import (
    autoencoder,
    captions,
    edits,
    faithfulness,
    layout,
    likeness,
    retrieval,
    samples,
    sizes,
    speed,
)
from counterfactory.zoo.check.subject import Check, Section, Subject, Wanted

Measure = Callable[[Subject], Section | str]
PIPELINE: tuple[Measure, ...] = (faithfulness.measure, edits.measure)  # without these there is nothing to check
COMPANIONS: tuple[Measure, ...] = (
    layout.measure,
    likeness.measure,
    captions.measure,
    retrieval.measure,
    samples.measure,
    autoencoder.measure,
    sizes.measure,
    speed.measure,
)
OTHER_WORLD = (
    "The prompts are Diorama's and so is the judge, which takes every picture for one of Diorama's: of a pipeline that "
    "knows another world this says how far it follows such captions, and nothing of how good its own pictures are."
)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check came to: the page, and the numbers section by section."""

    report: Report
    numbers: Mapping[str, Any]


def refuse(check: Check) -> None:
    """Says of a pipeline or a judge that cannot be used that it cannot, before anything is drawn or written."""
    from counterfactory.diffusion.fits import refuse_misfits
    from counterfactory.zoo.judge import open_judge

    refuse_misfits(model_folder(check.model))
    open_judge(check.judge)


def checked(run: Run, check: Check) -> Checked:
    """Measures all that is there; what is not there is said in a sentence."""
    subject = Subject(run=run, check=check)
    found = [measure(subject) for measure in PIPELINE] + [_measured(measure, subject) for measure in COMPANIONS]
    sections = [one for one in found if isinstance(one, Section)]
    missing = [one for one in found if isinstance(one, str)]
    numbers = {section.name: dict(section.numbers) for section in sections}
    return Checked(report=_report(check, sections, missing), numbers={**numbers, "not_measured": missing})


def _measured(measure: Measure, subject: Subject) -> Section | str:
    """A companion that cannot be used is told on the page and keeps nobody from measuring the others."""
    try:
        return measure(subject)
    except (BadConfig, TooManyFailures) as error:
        return f"{measure.__module__.rpartition('.')[2]}: not measured. {error}"


def _report(check: Check, sections: Sequence[Section], missing: Sequence[str]) -> Report:
    wanted = [one for section in sections for one in section.wanted]
    reached = sum(one.two_cores is not None and one.value >= one.two_cores for one in wanted)
    words = (
        f"{check.model}: {reached} of {len(wanted)} numbers are what two cores suffice for.",
        f"{check.prompts} fresh prompts, {check.steps} steps, guidance {check.guidance:g}, seed {check.seed}.",
        *([] if is_shipped(check.model) else [OTHER_WORLD]),
        *(word for section in sections for word in section.words),
        *missing,
    )
    return Report(
        title=f"Check of {check.model}",
        summary=words,
        numbers={one.what: one.value for one in wanted},
        tables=(_targets(wanted), *(table for section in sections for table in section.tables)),
        plots=tuple(plot for section in sections for plot in section.plots),
        galleries=tuple(gallery for section in sections for gallery in section.galleries),
    )


def _targets(wanted: Sequence[Wanted]) -> Table:
    rows = tuple((one.what, one.value, one.unit, one.two_cores, one.accelerator, _reached(one)) for one in wanted)
    return Table(
        title="What was found, and what is wanted",
        columns=("", "found", "unit", "two cores", "accelerator", "reached"),
        rows=rows,
        note="Wanted of the zoo: what training on two cores suffices for, and what an accelerator allows.",
    )


def _reached(one: Wanted) -> str:
    if one.accelerator is not None and one.value >= one.accelerator:
        return "both"
    return "two cores" if one.two_cores is not None and one.value >= one.two_cores else "no"
