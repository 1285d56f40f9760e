"""What the searches of a way to draw found: in words, beside the way by hand, trial by trial, and in plots."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from counterfactory.recipes.generators import Way
from counterfactory.recipes.searching import Round
from counterfactory.search.trials import Found, Trial
from counterfactory.types import Plot, Series, Table

LEARNT: Mapping[Any, str] = {
    "encoder": "the class encoder",
    "denoiser": "the denoiser",
    "pixels": "the model of pixels",
}
GIVEN = "what was given"


def words(rounds: Sequence[Round]) -> list[str]:
    """What each search changed, and how to draw so by hand."""
    said = [_sentence(each, each.found) for each in rounds if each.found]
    if rounds:
        sets = " ".join(f"--set drawing.{name}={'null' if value is None else value}" for name, value in rounds[-1].way)
        said.append(f"The drawings are those of {_model(rounds[-1])}, with {sets}.{_again(rounds[-1])}")
    return said


def _again(last: Round) -> str:
    """How to draw more with the same weights."""
    field, more = ("start", "kind=pixels") if last.part == "pixels" else ("start.model", "learn=[]")
    key = getattr(last.known.model, "key", None)
    sets = f"--set generator.{field}=WORKSPACE/artifacts/{key} --set generator.{more}"
    return f" More of them: the same with --stage generate {sets}." if key else ""


def numbers(rounds: Sequence[Round]) -> dict[str, float]:
    """Scores before and after each search."""
    found: dict[str, float] = {}
    for number, each in enumerate(rounds, 1):
        if each.usual is not None and each.best is not None:
            found[f"search {number}, by hand, %"] = round(100 * each.usual, 2)
            found[f"search {number}, found, %"] = round(100 * each.best, 2)
    return found


def tables(rounds: Sequence[Round]) -> list[Table]:
    """The rounds, then each trial of each."""
    searched = [each for each in rounds if each.found]
    if not searched:
        return []
    fields = list(dict.fromkeys(name for each in searched for name in _fields(each.way)))
    columns = ("after", "trials", "ended early", "failed", "by hand, %", "found, %", "gain, points", *fields)
    rows = tuple(_row(each, fields) for each in searched)
    note = "By hand and found are scored with one more seed, by which nothing was chosen; of equal ways either may win."
    summary = Table(title="What the searches found", columns=columns, rows=rows, note=note)
    return [summary, *[_trials(each, f"Trials of search {number}") for number, each in enumerate(searched, 1)]]


def plots(rounds: Sequence[Round]) -> list[Plot]:
    """How each search went, and what mattered."""
    drawn = []
    for number, found in enumerate((each.found for each in rounds if each.found), 1):
        drawn.append(_history(found, number))
        if found.importance:
            values = tuple(100 * value for value in found.importance.values())
            bars = Series(name="importance", x=tuple(found.importance), y=values)
            drawn.append(Plot(title=f"What mattered in search {number}", kind="bars", series=(bars,), y="share in %"))
    return drawn


def _sentence(each: Round, found: Found) -> str:
    begin, tried = f"With {LEARNT.get(each.part, GIVEN)}", len(found.trials)
    usual, best = ("nothing" if score is None else f"{100 * score:.1f} %" for score in (each.usual, each.best))
    if each.stays:
        return f"{begin} none of {tried} ways of drawing was better than that by hand, which scores {best}."
    compared = f"scores {best} and that by hand {usual}, by a seed that chose neither"
    return f"{begin} the best of {tried} ways of drawing {compared}."


def _model(last: Round) -> str:
    model = last.known.model
    name = model if isinstance(model, str) else f"the artifact {model.key}"
    return f"{name}, epoch {last.known.epoch}" if last.known.epoch else name


def _fields(way: Way) -> dict[str, Any]:
    """What is said of a way: no more than was chosen."""
    said = way.model_dump().items()
    return {name: value for name, value in said if value is not None and (name, value) != ("eta", 0)}


def _row(each: Round, fields: Sequence[str]) -> tuple[Any, ...]:
    trials = each.found.trials if each.found else ()
    states = Counter(trial.state for trial in trials)
    usual, best = (None if score is None else 100 * score for score in (each.usual, each.best))
    gain = None if usual is None or best is None else best - usual
    counts = (len(trials), states["pruned"], states["failed"])
    return (LEARNT.get(each.part, GIVEN), *counts, usual, best, gain, *map(_fields(each.way).get, fields))


def _trials(each: Round, title: str) -> Table:
    trials = each.found.trials if each.found else ()
    fields = list(dict.fromkeys(name for way in each.ways for name in _fields(way)))
    rows = tuple(
        (trial.number + 1, *map(_fields(way).get, fields), _reached(trial), _came(trial))
        for trial, way in zip(trials, each.ways, strict=True)
    )
    note = "The score of what ended early is that of its classifier by then, on validation images."
    return Table(title=title, columns=("trial", *fields, "score, %", "came to"), rows=rows, note=note)


def _came(trial: Trial) -> str:
    if trial.same_as is not None:
        return f"draws as trial {trial.same_as + 1} did"
    ended = f"ended after {trial.curve[-1][0]} steps" if trial.curve else "ended early"
    return trial.reason or {"complete": "its end", "pruned": ended}.get(trial.state, trial.state)


def _reached(trial: Trial) -> float | None:
    """Its score, or how far it had come."""
    value = trial.value if trial.value is not None else trial.curve[-1][1] if trial.curve else None
    return None if value is None else 100 * value


def _history(found: Found, number: int) -> Plot:
    """Each trial, as far as it came, and the best so far of those that came to their end."""
    done = [trial for trial in found.trials if trial.state == "complete"]
    early = [trial for trial in found.trials if trial.state == "pruned" and trial.curve]
    best = accumulate((trial.score for trial in done), max)
    series = [
        _line("best so far", done, best),
        _line("to the end", done, (trial.score for trial in done)),
        _line("ended early", early, (trial.curve[-1][1] for trial in early)),
    ]
    shown = tuple(one for one in series if one.x)
    return Plot(title=f"Search {number}", kind="lines", series=shown, x="trial", y="score in %")


def _line(name: str, trials: Sequence[Trial], values: Iterable[float]) -> Series:
    return Series(name=name, x=tuple(trial.number + 1 for trial in trials), y=tuple(100 * value for value in values))
