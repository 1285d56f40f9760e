"""The training itself: one loop for pixels and for kept features, resumable, ending with its best weights."""

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from counterfactory.classify import losses
from counterfactory.classify.exact import exact
from counterfactory.classify.lesson import Lesson, prepared
from counterfactory.classify.models import usual_learning_rate
from counterfactory.classify.networks import said, seeded
from counterfactory.classify.progress import Keeper, Progress, learned, restore
from counterfactory.classify.saved import save
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.errors import BadConfig
from counterfactory.types import Dataset
from counterfactory.worker import Worker

PRECISION = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}
RISE = 20  # steps of growing learning rate, at most a tenth of all
LEAST, BETTER = 1e-5, 1e-4  # the rate that no plateau goes below, and the gain in accuracy that ends one


def fit(trainer: ClassifierTrainer, worker: Worker, folder: Path, datasets: Mapping[str, Dataset]) -> Mapping[str, Any]:
    """Trains, restores the best weights, calibrates and saves; see `ClassifierTrainer.fit`."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / "unfinished"
    unfinished.mkdir(exist_ok=True)
    with seeded(worker.device, trainer.seed, "classifier"), exact(worker), _accelerator(worker) as accelerator:
        lesson = prepared(trainer, worker, datasets, unfinished, accelerator)
        progress = _trained(lesson, Keeper(path=unfinished / "state.safetensors"))
        numbers = _finished(lesson, progress)
        train = datasets["train"]
        save(lesson.network, said(train.classes, train.task), numbers["temperature"], folder)
    shutil.rmtree(unfinished)
    return numbers


@contextmanager
def _accelerator(worker: Worker) -> Iterator[Any]:
    """An accelerator for this worker; unless reset, the library keeps the first one's settings for the process."""
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        yield Accelerator(
            cpu=torch.device(worker.device).type == "cpu",
            mixed_precision=PRECISION[worker.dtype],
            device_placement=False,
        )
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)


def _trained(lesson: Lesson, keeper: Keeper) -> Progress:
    """All steps from where a killed call came to."""
    trainer, module = lesson.trainer, lesson.network.module
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=1.0, weight_decay=trainer.weight_decay, fused=True)
    module, optimizer = lesson.accelerator.prepare(module, optimizer)
    progress = keeper.resume(module, optimizer, lesson.accelerator.scaler)
    _set_mode(lesson)
    rows = lesson.draw.steps(progress.step, lesson.total, trainer.batch_size)
    fed = lesson.material.steps(rows)
    lesson.tell(progress.step, lesson.total)
    for step, _, _, accuracy in progress.history:  # before the kill
        lesson.hear(step, accuracy)
    for group in rows:
        if trainer.patience is not None and progress.waited >= trainer.patience:
            break
        inputs, targets = next(fed)
        weights = lesson.weights[torch.from_numpy(group)]
        for part in optimizer.param_groups:
            part["lr"] = _rate(lesson, progress)
        progress.losses.append(_step(lesson, optimizer, progress.step, (inputs, targets, weights)))
        progress.step += 1
        if progress.step % lesson.evaluate_every == 0 or progress.step == lesson.total:
            _evaluated(lesson, progress)
        keeper.save_when_due(progress, module, optimizer, lesson.accelerator.scaler)
        lesson.tell(progress.step, lesson.total)
    return progress


def _step(lesson: Lesson, optimizer: Any, step: int, batch: tuple[Tensor, Tensor, Tensor]) -> float:
    """One step of the optimizer; what is random in the network follows from the seed and the step."""
    inputs, targets, weights = batch
    with seeded(str(inputs.device), lesson.trainer.seed, "step", step):
        with lesson.accelerator.autocast():
            logits = lesson.network.module(inputs)
        wanted = losses.smoothed(targets, lesson.trainer.label_smoothing, lesson.task)
        each = losses.losses(logits.float(), wanted, lesson.task)
        loss = (each * weights).mean()
        lesson.accelerator.backward(loss)
    optimizer.step()
    optimizer.zero_grad()
    return float(loss.detach())


def _rate(lesson: Lesson, progress: Progress) -> float:
    """A short linear rise, then half a cosine down to nothing; or the same until a plateau, and then a tenth."""
    highest = lesson.trainer.learning_rate or usual_learning_rate(lesson.trainer.model)
    if lesson.trainer.plateau is not None:
        return max(LEAST, highest * 0.1 ** plateaus([row[-1] for row in progress.history], lesson.trainer.plateau))
    step = progress.step
    rise = min(RISE, max(1, lesson.total // 10))
    if step < rise:
        return highest * (step + 1) / rise
    return highest * (1 + math.cos(math.pi * (step - rise) / max(1, lesson.total - rise))) / 2


def plateaus(accuracies: Sequence[float], patience: int) -> int:
    """How often so many evaluations in a row brought nothing better; each time the count begins anew."""
    best, waited, found = -math.inf, 0, 0
    for accuracy in accuracies:
        waited = 0 if accuracy > best + BETTER else waited + 1
        best = max(best, accuracy)
        if waited == patience:
            waited, found = 0, found + 1
    return found


def _set_mode(lesson: Lesson) -> None:
    """Training mode, but for the statistics of a backbone that is frozen."""
    lesson.network.module.train()
    if lesson.network.keep_normalisation:
        for part in lesson.network.module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()


def _evaluated(lesson: Lesson, progress: Progress) -> None:
    """Notes how the training goes, and keeps a copy of the weights where the validation has never been better."""
    loss = fmean(progress.losses)
    progress.losses.clear()
    if not math.isfinite(loss):
        raise BadConfig(f"The loss is {loss} after {progress.step} steps; give a smaller learning_rate.")
    if lesson.answers is None:
        return
    logits = _asked(lesson)
    accuracy = losses.accuracy(logits, lesson.answers, lesson.task)
    asked = losses.losses(logits, lesson.answers, lesson.task).mean().item()
    progress.history.append((progress.step, loss, asked, accuracy))
    progress.waited += 1
    score = (accuracy, -asked)
    if progress.best_score is None or score > progress.best_score:
        progress.best_score, progress.best_step, progress.waited = score, progress.step, 0
        progress.best = learned(lesson.network.module)
    lesson.hear(progress.step, accuracy)


def _asked(lesson: Lesson) -> Tensor:
    """Logits of the validation images."""
    assert lesson.material.asked is not None
    lesson.network.module.eval()
    with torch.no_grad(), lesson.accelerator.autocast():
        logits = torch.cat([lesson.network.module(inputs).float() for inputs in lesson.material.asked()])
    _set_mode(lesson)
    return logits


def _finished(lesson: Lesson, progress: Progress) -> dict[str, Any]:
    """The best weights back in place, their temperature, and the numbers worth remembering."""
    lesson.network.module.eval()
    numbers: dict[str, Any] = {"steps": progress.step, "temperature": 1.0, "parameters": _learning(lesson)}
    if lesson.answers is None or progress.best_score is None:
        return numbers
    restore(lesson.network.module, progress.best)
    if lesson.trainer.calibrate:
        numbers["temperature"] = losses.temperature(_asked(lesson), lesson.answers, lesson.task)
        lesson.network.module.eval()
    numbers |= {"best_step": progress.best_step, "history": tuple(progress.history)}
    numbers["validation_images"] = len(lesson.answers)
    return numbers | {"validation_accuracy": progress.best_score[0], "validation_loss": -progress.best_score[1]}


def _learning(lesson: Lesson) -> int:
    """How many numbers were trained."""
    return sum(parameter.numel() for parameter in lesson.network.module.parameters() if parameter.requires_grad)
