"""A search: optuna proposes settings, the store remembers what came of them. Knows not what is scored.

What is proposed follows from the seed, the number of the trial, and what came of those before it. So a search that was
killed goes on by being asked again: what is known costs nothing, and the first trial that is not is where it stopped.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from counterfactory import keys
from counterfactory.errors import BadData, CounterfactoryError, DiskTrouble, TooManyFailures, Unavailable
from counterfactory.search.plan import Choice, Real, Search, Settings, Whole
from counterfactory.search.trials import Finalist, Found, Ledger, Trial
from counterfactory.watch import Watcher
from counterfactory.worker import is_out_of_memory

Report = Callable[[int, float], None]  # how far a trial is and how good; raises where it is not worth going on
Objective = Callable[[Settings, Report, int], float]  # the last one is a seed: 0, and others for finalists
Alike = Callable[[Settings], Any]  # the same for settings that mean the same

BLIND = 4  # trials before what came of them is heeded: searches here are of about ten
FEWEST = 4  # complete trials of which something can be said about importance
BEST, SHARE = 5, 0.1  # so many trials, or this share of all, are the good ones that tell what is important


class Stopped(Exception):
    """A trial is not worth going on."""


def search(said: Search, objective: Objective, ledger: Ledger, watcher: Watcher, alike: Alike = dict) -> Found:
    """The settings under which the objective is highest."""
    import optuna

    with _quiet():
        study = optuna.create_study(direction="maximize", study_name="search", pruner=_pruner(said))
        course = _Course(said=said, objective=objective, ledger=ledger, watcher=watcher, alike=alike, study=study)
        for number in range(said.trials):
            course.go_on(number)
        finalists = course.finalists()
        return Found(
            settings=finalists[0].trial.settings,
            value=fmean(finalists[0].values),
            trials=tuple(course.trials),
            finalists=finalists,
            importance=_importance(study, course.trials),
        )


@dataclass(kw_only=True)
class _Course:
    """A search on its way: has settings proposed, looks up or scores them, and tells optuna what came of it."""

    said: Search
    objective: Objective
    ledger: Ledger
    watcher: Watcher
    alike: Alike
    study: Any
    trials: list[Trial] = field(default_factory=list)
    seen: dict[bytes, Trial] = field(default_factory=dict)

    def go_on(self, number: int) -> None:
        """One trial more."""
        asked = self._asked(number)
        settings = {name: asked.params[name] for name in self.said.space}
        name = self.ledger.name(self.alike(settings))
        if earlier := self.seen.get(name):
            trial = replace(earlier, number=number, settings=settings, same_as=earlier.number)
            for step, value in trial.curve:
                asked.report(value, step)  # without competing a second time
        elif known := self.ledger.known(name):
            trial = Trial(number=number, settings=settings, **known)
            for step, value in trial.curve:
                _is_worse(asked, step, value)  # by those who competed with it, too
        else:
            trial = self._scored(asked, number, settings, name)
        _tell(self.study, asked, trial)
        self.trials.append(trial)
        self.seen.setdefault(name, trial)

    def finalists(self) -> tuple[Finalist, ...]:
        """The best ones that differ, each with its values of other seeds, by their mean."""
        complete = [trial for trial in self.seen.values() if trial.state == "complete"]
        best = sorted(complete, key=lambda trial: (-trial.score, trial.number))[: self.said.finalists]
        found = [Finalist(trial=trial, values=self._again(trial)) for trial in best]
        whole = [finalist for finalist in found if finalist.values]
        if not whole:
            tried = f"{len(best)} finalists" if best else f"{len(self.trials)} trials"
            reason = next((trial.reason for trial in self.trials if trial.reason), "its failed rows say why.")
            raise TooManyFailures(f"Not one of {tried} of the search came to its end: {reason}")
        return tuple(sorted(whole, key=lambda finalist: (-fmean(finalist.values), finalist.trial.number)))

    def _asked(self, number: int) -> Any:
        """What optuna proposes; its generator begins anew with each trial, so that none needs those before it."""
        from optuna.samplers import TPESampler

        seed = keys.seed_for(self.said.seed, "search", number)
        self.study.sampler = TPESampler(seed=seed, n_startup_trials=BLIND)
        if number < len(self.said.first):
            self.study.enqueue_trial(dict(self.said.first[number]))
        return self.study.ask({name: _distribution(values) for name, values in self.said.space.items()})

    def _scored(self, asked: Any, number: int, settings: Settings, name: bytes) -> Trial:
        """Settings that nobody knows yet."""
        curve: dict[int, float] = {}

        def report(step: int, value: float) -> None:
            if step not in curve:
                curve[step] = float(value)
                if _is_worse(asked, step, value):
                    raise Stopped

        came: dict[str, Any]
        try:
            came = {"state": "complete", "value": _finite(self.objective(settings, report, 0))}
        except Stopped:
            came = {"state": "pruned"}
        except Exception as error:  # noqa: BLE001 - what is no trial's own failure is raised again
            came = self._failed(error, name, settings)
        trial = Trial(number=number, settings=settings, curve=tuple(curve.items()), **came)
        if not trial.reason:
            self.ledger.keep(name, {**came, "curve": trial.curve})
        self.watcher.note(_line(trial, self.said.trials))
        return trial

    def _again(self, trial: Trial) -> tuple[float, ...]:
        """A candidate's values with other seeds, as far as they did not fail; its own where none are asked for."""
        values = [] if self.said.repeats else [trial.score]
        for seed in range(1, self.said.repeats + 1):
            name = self.ledger.name(self.alike(trial.settings), seed)
            value = self.ledger.known(name)
            if value is None:
                try:
                    value = _finite(self.objective(trial.settings, _go_on, seed))
                except Exception as error:  # noqa: BLE001 - as above
                    self._failed(error, name, [trial.settings, seed])
                    continue
                self.ledger.keep(name, value)
                self.watcher.note(f"trial {trial.number + 1} again with seed {seed}: {value:.4g}")
            values.append(value)
        return tuple(values)

    def _failed(self, error: Exception, name: bytes, item: Any) -> dict[str, Any]:
        """A trial's state and reason; an error that would meet the next trial too, or that nobody foresaw, goes on."""
        if not is_of_a_trial(error):
            raise error
        if is_out_of_memory(error):
            said = str(error).partition("\n")[0]
            came = {"state": "pruned", "reason": said if "out of memory" in said else f"out of memory: {said}"}
        else:
            came = {"state": "failed", "reason": str(error)}
        self.ledger.fail(name, item, came["reason"])
        return came


def is_of_a_trial(error: Exception) -> bool:
    """Whether an error says something of one trial, and neither of the next ones nor of a mistake in the code."""
    if isinstance(error, CounterfactoryError):
        return not isinstance(error, Unavailable | DiskTrouble)
    return is_out_of_memory(error)


def _is_worse(asked: Any, step: int, value: float) -> bool:
    """Whether a trial, so good by this step, is among those that a rung stops."""
    asked.report(value, step)
    return bool(asked.should_prune())


def _tell(study: Any, asked: Any, trial: Trial) -> None:
    from optuna.trial import TrialState

    if trial.state == "complete":
        study.tell(asked, trial.score)
    else:
        study.tell(asked, state=TrialState.PRUNED if trial.state == "pruned" else TrialState.FAIL)


def _distribution(values: Whole | Real | Choice) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(values, Choice):
        return CategoricalDistribution(values.values)
    if isinstance(values, Whole):
        return IntDistribution(values.low, values.high)
    return FloatDistribution(values.low, values.high)


def _pruner(said: Search) -> Any:
    """Successive halving as trials come (Li et al. 2020)."""
    from optuna.pruners import NopPruner, SuccessiveHalvingPruner

    if said.rung is None:
        return NopPruner()
    return SuccessiveHalvingPruner(min_resource=said.rung, reduction_factor=said.reduction)


def _importance(study: Any, trials: list[Trial]) -> dict[str, float]:
    """How unlike all trials the best ones are in each setting (PED-ANOVA, Watanabe et al. 2023)."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    values = sorted(trial.score for trial in trials if trial.state == "complete")
    share = min(0.5, max(SHARE, BEST / max(1, len(values))))
    if len(values) < FEWEST or values[-math.ceil(share * len(values))] == values[0]:
        return {}  # no trial stands out
    return dict(get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=share)))


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise BadData(f"The score is {value}, which is no number to compare.")
    return float(value)


def _go_on(_step: int, _value: float) -> None:
    """A finalist is scored to its end."""


def _line(trial: Trial, trials: int) -> str:
    settings = ", ".join(f"{name} {_short(value)}" for name, value in trial.settings.items())
    came = _short(trial.value) if trial.value is not None else f"{trial.state} {trial.reason}".rstrip()
    return f"trial {trial.number + 1} of {trials}, {settings}: {came}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna says errors only inside."""
    from optuna import logging

    level = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(level)
