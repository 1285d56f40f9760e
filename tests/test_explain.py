"""The search for counterfactuals: against a plain transcription of DiME, counted, pooled, and asked badly."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import SiglipConfig, SiglipModel, ViTImageProcessorPil

from counterfactory.classify.models import SmallResNet
from counterfactory.classify.networks import build, said, seeded
from counterfactory.classify.preparation import Preparation
from counterfactory.classify.saved import Classifier, save
from counterfactory.diffusion.gaussian import alpha_bars, linear_betas, log_variance
from counterfactory.diffusion.pixel import build as build_denoiser
from counterfactory.diffusion.pixel import save as save_denoiser
from counterfactory.diffusion.pixel import scheduler
from counterfactory.diffusion.sampling import Denoiser, open_denoiser
from counterfactory.diffusion.trainers import PixelNetwork, PixelTrainer
from counterfactory.errors import BadConfig
from counterfactory.explain import eyes
from counterfactory.explain.answers import Wishes, fitted, open_asked, probabilities, reluctance
from counterfactory.explain.canvas import open_canvas
from counterfactory.explain.cases import Case
from counterfactory.explain.eyes import open_eyes
from counterfactory.explain.guidance import of_unit_size
from counterfactory.explain.pooling import Explainer, search_of
from counterfactory.explain.search import changing
from counterfactory.explain.step import Backbone, Explain, Losses, Mask, Plan, Vgg, Views
from counterfactory.explain.views import seen_about
from counterfactory.keys import seed_for
from counterfactory.recipes.explained import Answers
from counterfactory.recipes.questions import wishes
from counterfactory.testing import StepContract
from counterfactory.training.loading import quiet
from counterfactory.types import Address, Explanation, Failed, Question
from counterfactory.worker import Worker

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

SIDE, TIMES, STEPS, TAU = 8, 60, 20, 10
POWER = alpha_bars(linear_betas(TIMES))
SHAPE = PixelNetwork(channels=(8, 16), attends=(False, True), head_width=8, groups=4)
TRAINER = PixelTrainer(network=SHAPE, size=SIDE, times=TIMES)
PLAN = Plan(steps=STEPS, start=TAU, scales=(8.0,), losses=Losses(l1=0.05, l2=0.02, perceptual=30))


class Wide(nn.Module):
    """A small network that is curved everywhere."""

    def __init__(self, outputs: int, side: int = SIDE):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Tanh(), nn.Flatten(), nn.Linear(6 * (side - 2) ** 2, outputs))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        found: Tensor = self.body(x_BCHW.double())
        return found


def wide(outputs: int, seed: int) -> Wide:
    with seeded("cpu", seed):
        return Wide(outputs).double().requires_grad_(False)


def network(seed: int = 0) -> Any:
    """A denoiser whose last layer says something, which a fresh one does not."""
    with seeded("cpu", seed):
        return build_denoiser(TRAINER).double().eval().requires_grad_(False)


def explainer(folder: Path, plan: Plan = PLAN, several: bool = False, mode: Any = "exact", **more: Any) -> Explainer:
    """All parts tiny, in double precision."""
    step = Explain(classifier="none", denoiser="none", mode=mode, search=plan)
    model = Denoiser(network=network(), power=POWER, shape=(3, SIDE, SIDE), dtype=torch.float64)
    classifier = Classifier(
        network=wide(3, 1), classes=("a", "b", "c"), preparation=Preparation(size=(SIDE, SIDE)), temperature=1.0,
        has_several_labels=several,
    )  # fmt: skip
    seeing = wide(5, 2)
    look: Callable[[Tensor], Tensor] | None = (lambda x: seeing(x.clamp(-1, 1))) if plan.losses.perceptual else None
    parts = {"classifier": classifier, "look": look, "worker": Worker(workspace=folder, batch_size=4), **more}
    return Explainer(step=step, search=search_of(step, model), name="tiny", **parts)


def question(folder: Path, number: int, wanted: int, present: bool = True, size: int = SIDE) -> Question:
    pixels = np.random.default_rng(number).integers(60, 190, (size, size, 3), np.uint8)
    path = folder / f"{number}-{size}.png"
    Image.fromarray(pixels).save(path)
    return Question(image=Address(f"{number}-{size}", f"file:{path}"), wanted=wanted, present=present, seed=number)


def least(one: Explainer, asked: Question) -> int:
    """What the classifier is least sure of."""
    return int(np.argmin(probabilities(one.classifier, one.worker, [one.worker.pixels.image(asked.image)])[0]))


def cases(one: Explainer, folder: Path, *numbers: int) -> list[Any]:
    """Images that are asked for what the classifier is least sure of."""
    pictures = [Image.open(folder / f"{n}-{SIDE}.png") for n in numbers if question(folder, n, 0)]
    least = [int(np.argmin(said)) for said in probabilities(one.classifier, one.worker, pictures)]
    found = [one.case(question(folder, n, wanted)) for n, wanted in zip(numbers, least, strict=True)]
    if one.classifier.has_several_labels:  # one is to come and, of the next image, one is to go
        most = int(np.argmax(found[-1].before))
        found[-1] = one.case(question(folder, numbers[-1], most, found[-1].before[most] <= 0.5))
    return found


def transcribed(one: Explainer, case: Any, scale: float, number: int) -> Tensor:
    """DiME as its paper and code have it, one image, every call made anew; shares nothing but networks and noise."""
    plan, question, x = one.step.search, case.question, case.canvas.source[None]
    visited = [round(place * (TIMES - 1) / (STEPS - 1)) for place in range(STEPS)]
    bar = POWER[visited]
    before = torch.cat([torch.ones(1, dtype=torch.float64), bar[:-1]])
    beta = 1 - bar / before
    small = beta * (1 - before) / (1 - bar)
    small = torch.cat([small[1:2], small[1:]]).log()
    noises = torch.Generator().manual_seed(seed_for("explain", question.seed, number))

    def noise() -> Tensor:
        return torch.randn((3, SIDE, SIDE), generator=noises).double()[None]

    def mean_and_log_variance(z: Tensor, i: int) -> tuple[Tensor, Tensor]:
        out = one.search.model.network(z, torch.tensor([visited[i]])).sample.detach()
        share = (out[:, 3:] + 1) / 2
        clean = ((z - (1 - bar[i]).sqrt() * out[:, :3]) / bar[i].sqrt()).clamp(-1, 1)
        mean = before[i].sqrt() * beta[i] / (1 - bar[i]) * clean
        mean = mean + (1 - beta[i]).sqrt() * (1 - before[i]) / (1 - bar[i]) * z
        return mean, share * beta[i].log() + (1 - share) * small[i]

    def class_loss(clean: Tensor) -> Tensor:
        logits = one.classifier.network(clean.clamp(-1, 1))[0]
        chosen = logits[question.wanted]
        if one.classifier.has_several_labels:
            chosen = chosen if question.present else -chosen
            return -chosen if plan.answer == "logits" else torch.log1p(torch.exp(-chosen))
        return -chosen if plan.answer == "logits" else -torch.log_softmax(logits, 0)[question.wanted]

    def chain(z: Tensor, i: int) -> Tensor:
        for j in range(i, -1, -1):
            mean, log_variance = mean_and_log_variance(z, j)
            fresh = (log_variance / 2).exp() * noise() if plan.inner == "sampled" else 0
            z = mean + (j > 0) * fresh
        return z

    def led_back(gradient: Tensor, z: Tensor, i: int) -> Tensor:
        said = one.search.model.network(z, torch.tensor([visited[i]])).sample[:, :3]
        return torch.autograd.grad(((z - (1 - bar[i]).sqrt() * said) / bar[i].sqrt()).clamp(-1, 1), z, gradient)[0]

    start_noise = torch.Generator().manual_seed(seed_for("explain", question.seed, "start"))
    first = TAU - 1 + plan.noised_further
    z = bar[first].sqrt() * x + (1 - bar[first]).sqrt() * torch.randn((3, SIDE, SIDE), generator=start_noise).double()
    clean = chain(z, TAU - 1) if plan.led_back else x
    for i in range(TAU - 1, -1, -1):
        mean, log_variance = mean_and_log_variance(z, i)
        at_clean, at_noisy = clean.clone().requires_grad_(), z.clone().requires_grad_()
        of_answer, of_looks = torch.autograd.grad(class_loss(at_clean), at_clean)[0], torch.zeros_like(x)
        if one.look:
            strange = (one.look(at_clean) - one.look(x)).square().mean()
            of_looks = plan.losses.perceptual * torch.autograd.grad(strange, at_clean)[0]
        apart = at_noisy - x
        of_noisy = plan.losses.l1 * apart.abs().sum() + plan.losses.l2 * apart.square().sum(1).sqrt().sum()
        pull = (scale * of_answer + of_looks) / bar[i].sqrt()
        if plan.led_back:
            of_answer = led_back(of_answer, at_noisy, i)
            of_answer = of_answer / (bar[i].sqrt() * of_answer.square().mean().sqrt())
            pull = scale * of_answer + led_back(of_looks, at_noisy, i)
        pull = pull + torch.autograd.grad(of_noisy, at_noisy)[0]
        if plan.guided is None or TAU - 1 - i < plan.guided:
            mean = mean - log_variance.exp() * pull
        z = mean + (i > 0) * (log_variance / 2).exp() * noise()
        if i and (plan.guided is None or TAU - i < plan.guided):
            clean = chain(z, i - 1)
    return z.clamp(-1, 1)


ALL = {"l1": 0.05, "l2": 0.02, "perceptual": 30.0}
NONE = dict.fromkeys(ALL, 0.0)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(
    ("losses", "scale", "settings"),
    [
        (NONE, 8.0, {}),
        ({**NONE, "l1": 0.5}, 0.0, {}),
        ({**NONE, "l2": 0.5}, 0.0, {}),
        ({**NONE, "perceptual": 300.0}, 0.0, {}),
        (ALL, 15.0, {}),
        (ALL, 8.0, {"noised_further": True, "answer": "log-probabilities"}),
        (ALL, 8.0, {"inner": "mean", "guided": 6}),
        (ALL, 1.5, {"led_back": True}),
    ],
)
def test_the_exact_search_is_the_papers(tmp_path: Path, several: bool, losses: Any, scale: float, settings: Any):
    one = explainer(tmp_path, PLAN.model_copy(update={"losses": Losses(**losses), **settings}), several)
    asked = cases(one, tmp_path, 1, 2)
    found = one.searched(asked, scale, 2).images
    plain = torch.cat([transcribed(one, case, scale, 2) for case in asked])
    assert not torch.allclose(found, torch.stack([case.canvas.source for case in asked]), atol=0.05)
    assert (found - plain).abs().max() < 1e-6


def calls(one: Explainer) -> list[int]:
    """How many pictures each call of the denoiser is given, from now on."""
    found: list[int] = []
    one.search.model.network.register_forward_pre_hook(lambda _module, given: found.append(len(given[0])))
    return found


@pytest.mark.parametrize(
    ("mode", "expected"), [("exact", TAU * (TAU + 1) // 2 - (TAU - 1)), ("fast", TAU), ("chained", TAU + 21)]
)
def test_no_call_of_the_denoiser_is_made_twice(tmp_path: Path, mode: str, expected: int):
    one = explainer(tmp_path, PLAN.model_copy(update={"leaps": 4}), mode=mode)
    asked = cases(one, tmp_path, 1)
    counted = calls(one)
    one.searched(asked, 8.0, 1)
    assert len(counted) == expected  # chained: further calls 3 times 6 where 3 steps or more are left, then 2 and 1


class Bright(nn.Module):
    """Says `bright` of what is brighter on average than a limit; of one shade its gradient is no number."""

    def __init__(self, limit: float, broken: float = 2.0):
        super().__init__()
        self.limit, self.broken = limit, broken

    def forward(self, x_BCHW: Tensor) -> Tensor:
        mean = x_BCHW.mean((1, 2, 3))
        bright = 4 * (mean - self.limit)
        rows = (mean - self.broken).abs() < 0.02
        bright = bright.clone()
        bright[rows] = bright[rows] + (mean - mean.detach())[rows].sqrt()  # 0, whose root has no gradient
        return torch.stack([bright, -bright], 1)


def shades(folder: Path, values: list[int]) -> list[Question]:
    """Plain grey images that should be bright."""
    found = []
    for number, value in enumerate(values):
        path = folder / f"grey-{number}.png"
        Image.fromarray(np.full((SIDE, SIDE, 3), value, np.uint8)).save(path)
        found.append(Question(image=Address(f"grey-{number}", f"file:{path}"), wanted=0, seed=number))
    return found


def brightener(folder: Path, limit: float, batch_size: int = 10, broken: float = 2.0) -> Explainer:
    """Two scales, of which the second makes an image clearly brighter than the first."""
    plan = Plan(steps=STEPS, start=2, scales=(300.0, 3000.0), losses=Losses(l1=0, perceptual=0))
    preparation = Preparation(size=(SIDE, SIDE))
    classifier = Classifier(
        network=Bright(limit, broken), classes=("bright", "dark"), preparation=preparation, temperature=1.0,
        has_several_labels=False,
    )  # fmt: skip
    worker = Worker(workspace=folder, batch_size=batch_size)
    return explainer(folder, plan, classifier=classifier, worker=worker)


def test_images_that_need_another_try_share_its_batches(tmp_path: Path):
    values = [126 if number % 10 else 115 for number in range(40)]  # a tenth of each batch is darker
    asked = shades(tmp_path, values)
    one = brightener(tmp_path, limit=0.0)
    counted = calls(one)
    pooled = one(asked)
    together = len(counted)
    apart = [found for first in range(0, 40, 10) for found in one(asked[first : first + 10])]  # the original's loop
    assert pooled == apart
    assert [found.tries for found in pooled if isinstance(found, Explanation)] == [
        1 if n % 10 else 2 for n in range(40)
    ]
    assert all(found.flipped for found in pooled if isinstance(found, Explanation))
    assert (len(counted) - together) / together >= 1.5


def test_a_gradient_that_is_no_number_costs_its_own_image_alone(tmp_path: Path):
    asked = shades(tmp_path, [115, 100, 115])
    found = brightener(tmp_path, limit=0.0, broken=100 / 127.5 - 1)(asked)
    assert isinstance(found[1], Failed)
    assert "no usable gradients" in found[1].reason
    alone = brightener(tmp_path, limit=0.0)(asked[:1])
    assert found[0] == alone[0]
    assert isinstance(found[2], Explanation)


def test_a_denoiser_or_a_loss_without_numbers_is_blamed_itself(tmp_path: Path):
    one = explainer(tmp_path, PLAN.model_copy(update={"start": 3}), mode="fast")
    asked = cases(one, tmp_path, 1, 2)
    look = one.look or torch.flatten
    rootless = replace(one, look=lambda x: look(x) + (x - x.detach()).sqrt().sum((1, 2, 3))[:, None])
    assert (
        rootless.searched(asked, 1.0, 1).lost
        == ["the gradients of `search.losses` are no numbers (NaN or infinite)"] * 2
    )
    far = one.searched(asked, 1e200, 1).lost
    assert far == ["the pulls led to where the denoiser's answer is no number (NaN or infinite)"] * 2
    torch.nn.init.constant_(one.search.model.network.conv_out.bias, torch.nan)
    assert one.searched(asked, 1.0, 1).lost == ["the denoiser's answer is no number (NaN or infinite)"] * 2


@pytest.mark.parametrize("size", [1.0, 1e-30, 1e30])
def test_a_pull_of_any_size_becomes_one_of_unit_size_and_none_stays_none(size: float):
    pull = torch.randn(3, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    usual = pull / pull.square().mean((1, 2, 3), keepdim=True).sqrt()
    pull, usual = pull * size, usual.clone()
    pull[1] = usual[1] = 0
    pull[2, 0, 0, 0] = torch.nan
    found = of_unit_size(pull)
    assert torch.allclose(found[:2], usual[:2])
    assert found[2, 0, 0, 0].isnan()


class Sure(nn.Module):
    """Says `bright` of all whose mean is above a limit, so surely that no gradient is left there; else pulls."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        bright = 1e5 * x_BCHW.mean((1, 2, 3))
        return torch.stack([bright, -bright], 1)


@pytest.mark.parametrize("mode", ["fast", "exact"])
def test_an_answer_of_which_nothing_is_left_to_want_is_a_flip(tmp_path: Path, mode: Any):
    plan = Plan(
        steps=STEPS, start=4, scales=(2.0,), answer="log-probabilities", losses=Losses(l1=0, perceptual=0),
        views=Views(count=1, moved=0, noise=0), mask=Mask(starts=1.0),
    )  # fmt: skip
    one = explainer(tmp_path, plan, mode=mode)
    sure = replace(one.classifier, network=Sure(), classes=("bright", "dark"))
    (found,) = replace(one, classifier=sure)(shades(tmp_path, [124]))
    assert isinstance(found, Explanation)
    assert found.flipped


def test_a_classifier_that_never_pulls_is_told(tmp_path: Path):
    class Deaf(Bright):
        def forward(self, x_BCHW: Tensor) -> Tensor:
            return 0 * super().forward(x_BCHW) + torch.tensor([0.0, 1.0])

    one = brightener(tmp_path, limit=0.0)
    (found,) = replace(one, classifier=replace(one.classifier, network=Deaf(0.0)))(shades(tmp_path, [115]))
    assert found == Failed("", "the classifier gave no gradients at all (0 at every step) at scale 300")


def test_a_scale_that_loses_an_image_leaves_what_an_earlier_one_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    one = brightener(tmp_path, limit=0.9)
    (first,) = one(shades(tmp_path, [115]))
    tried = Explainer._tried

    def losing(self: Explainer, asked: Any, scale: float, number: int) -> Any:
        return tried(self, asked, scale, number) if number == 1 else [Failed("", "lost")] * len(asked)

    monkeypatch.setattr(Explainer, "_tried", losing)
    (found,) = one(shades(tmp_path, [115]))
    assert isinstance(first, Explanation)
    assert isinstance(found, Explanation)
    assert (first.flipped, first.tries, found.flipped, found.tries) == (False, 2, False, 1)


@pytest.mark.parametrize("side", [SIDE, 12])
def test_a_grey_source_becomes_a_grey_image_and_is_asked_about_as_one(tmp_path: Path, side: int):
    pixels = np.random.default_rng(0).integers(60, 190, (side, side), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "grey.png")
    grey = Question(image=Address("grey", f"file:{tmp_path / 'grey.png'}"), wanted=0)
    still = Views(count=1, moved=0, noise=0)
    plan = PLAN.model_copy(update={"start": 3, "losses": Losses(perceptual=0), "views": still})
    one = explainer(tmp_path, plan, mode="fast")
    asked = [
        replace(grey, wanted=least(one, grey)),
        replace(other := question(tmp_path, 1, 0), wanted=least(one, other)),
    ]
    found = [one.case(each) for each in asked]
    heard: list[Tensor] = []
    one.classifier.network.register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    images = one.searched([case for case in found if isinstance(case, Case)], 1.0, 1).images
    spread = torch.stack(heard).amax(2) - torch.stack(heard).amin(2)
    assert spread[:, 0].max() < 1e-12
    assert spread[:, 1].min() >= 0 < spread[:, 1].max()
    painted = [np.asarray(case.canvas.painted(x)).astype(int) for case, x in zip(found, images, strict=True)]
    assert [np.ptp(one, 2).max() > 0 for one in painted] == [False, True]


def test_what_cannot_be_asked_fails_with_its_reason(tmp_path: Path):
    one = brightener(tmp_path, limit=0.0)
    dark, bright = shades(tmp_path, [115, 200])
    lost = replace(dark, image=Address("lost", "blob"))
    found = one([bright, replace(dark, wanted=7), replace(dark, present=False), lost, dark])
    reasons = [one.reason for one in found if isinstance(one, Failed)]
    assert "says 'bright' of this image already" in reasons[0]
    assert "has answers 0 to 1" in reasons[1]
    assert "want another" in reasons[2]
    assert "lost" in reasons[3]
    assert isinstance(found[4], Explanation)


def test_an_explanation_says_what_it_is(tmp_path: Path):
    one = brightener(tmp_path, limit=0.0)
    one = replace(one, search=replace(one.search, traced=True))
    (found,) = one(shades(tmp_path, [115]))
    assert isinstance(found, Explanation)
    assert found.sample.origin is not None
    assert (found.sample.origin.parent, found.sample.origin.changed) == ("grey-0", {"answer": "bright"})
    assert (found.before[0] < 0.5, found.after[0] > 0.5, found.scale, found.tries) == (True, True, 3000.0, 2)
    assert len(found.trace) == 2
    for address in (found.sample.image, found.start, *found.trace):
        assert one.worker.pixels.image(address).size == (SIDE, SIDE)


def chances(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_views_are_moved_with_their_borders_going_on():
    x_BCHW = torch.arange(32.0).reshape(2, 1, 4, 4)
    assert len(seen_about(x_BCHW, Views(moved=0.1, noise=0), chances(0, 1))) == 1  # less than a pixel
    views = torch.stack(seen_about(x_BCHW, Views(count=200, moved=0.25, noise=0), chances(0, 1)))
    found = {tuple(view.flatten().int().tolist()) for view in views[:, 0]}
    assert len(found) == 9
    assert tuple(x_BCHW[0].flatten().int().tolist()) in found
    assert (0, 0, 1, 2, 0, 0, 1, 2, 4, 4, 5, 6, 8, 8, 9, 10) in found
    assert not torch.equal(views[:, 0] - views[:, 1], (x_BCHW[0] - x_BCHW[1]).expand_as(views[:, 0]))


def test_a_view_is_the_same_whatever_it_is_seen_beside():
    x_BCHW = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    together = torch.stack(seen_about(x_BCHW, Views(), chances(0, 1, 2)))
    alone = torch.stack(seen_about(x_BCHW[1:2], Views(), chances(1)))
    assert torch.equal(together[:, 1], alone[:, 0])
    assert 0.9 < (together - x_BCHW).std() / 0.1 < 1.1  # too small to be moved: noise alone


@pytest.mark.parametrize("mode", ["fast", "exact", "chained"])
def test_every_mode_asks_about_views_where_they_are_wanted(tmp_path: Path, mode: Any):
    found = []
    for noise in (0.0, 0.2):
        one = explainer(tmp_path, PLAN.model_copy(update={"views": Views(moved=0, noise=noise)}), mode=mode)
        found.append(one.searched(cases(one, tmp_path, 1, 2), 100.0, 1).images)
    assert not torch.equal(*found)


def test_unless_they_are_wanted_only_the_fast_mode_has_views():
    assert Plan().seen("fast") == Views()
    for mode in ("exact", "chained"):
        x_BCHW = torch.rand(2, 3, 32, 32)
        (seen,) = seen_about(x_BCHW, Plan().seen(mode), chances(0, 1))
        assert torch.equal(seen, x_BCHW)


@pytest.mark.parametrize("led_back", [True, False])
def test_the_fast_searchs_pull_comes_through_the_denoiser_or_past_it(tmp_path: Path, led_back: bool):
    said = {"start": 1, "views": Views(moved=0, noise=0), "mask": Mask(starts=1.0), "losses": Losses(**NONE)}
    one = explainer(tmp_path, PLAN.model_copy(update={**said, "led_back": led_back}), mode="fast")
    (case,) = cases(one, tmp_path, 1)
    z, bar = case.start[None].clone().requires_grad_(), POWER[0]
    noise, share = one.search.model.network(z, torch.tensor([0])).sample.chunk(2, 1)
    clean = ((z - (1 - bar).sqrt() * noise) / bar.sqrt()).clamp(-1, 1)
    asked = clean if led_back else case.canvas.source[None].requires_grad_()
    logit = one.classifier.network(asked)[0, case.question.wanted]
    (pull,) = torch.autograd.grad(-logit, z if led_back else asked)
    variance = log_variance(one.search.links, share, torch.tensor([0])).exp()
    wanted = clean - variance * 3.0 * pull / pull.square().mean().sqrt() / bar.sqrt()
    found = one.searched([case], 3.0, 1).images
    assert (found - wanted.clamp(-1, 1)).abs().max() < 1e-9
    assert (found - clean).abs().max() > 1e-4


def test_the_fast_search_leaves_alone_what_it_need_not_change(tmp_path: Path):
    plan = PLAN.model_copy(update={"mask": Mask(threshold=0.9, reach=0, starts=0.0), "losses": Losses(perceptual=0)})
    one = explainer(tmp_path, plan, mode="fast")
    asked = cases(one, tmp_path, 1, 2)
    found = one.searched(asked, 1.0, 1).images
    same = (found == torch.stack([case.canvas.source for case in asked])).all(1)
    assert 0.5 < same.double().mean() < 1


def test_a_mask_is_around_the_greatest_change():
    source = torch.zeros(1, 3, 8, 8)
    clean = source.clone()
    clean[0, :, 2, 2], clean[0, 0, 6, 6] = 1.0, 0.2
    found = changing(clean, source, Mask(threshold=0.5, reach=1))
    assert found.sum() == 9
    assert found[0, 0, 1:4, 1:4].all()


def test_a_larger_source_keeps_its_detail_where_nothing_changed():
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    canvas = open_canvas(Image.fromarray(pixels), (8, 8), torch.zeros(()))
    assert np.abs(np.asarray(canvas.painted(canvas.source)).astype(int) - pixels).max() <= 1
    changed = canvas.source.clone()
    changed[:, :3, :3] = 1.0
    painted = np.asarray(canvas.painted(changed)).astype(int)
    assert np.abs(painted - pixels)[10:, 10:].max() <= 1
    assert painted[:4, :4].min() > 230
    whole = open_canvas(Image.fromarray(pixels), (16, 16), torch.zeros(()))
    assert (np.asarray(whole.painted(whole.source)) == pixels).all()


@pytest.mark.parametrize("preparation", [Preparation(size=(24, 16)), Preparation(size=(20, 20), crop=0.75, resample=2)])
def test_gradients_come_through_a_preparation_near_the_classifiers_own(preparation: Preparation):
    ramp = np.linspace(20, 230, 48).astype(np.uint8)
    picture = Image.fromarray(
        np.stack([np.tile(ramp, (40, 1)), np.tile(ramp[:40, None], (1, 48)), np.full((40, 48), 90)], 2).astype(np.uint8)
    )
    x_BCHW = torch.tensor(np.asarray(picture)).permute(2, 0, 1)[None] / 255
    ours = fitted(x_BCHW.requires_grad_(), preparation)
    own = preparation.array(picture)
    assert (ours[0].permute(1, 2, 0) * 255 - torch.tensor(own)).abs().max() < 8
    (gradient,) = torch.autograd.grad(ours.sum(), x_BCHW)
    assert gradient.abs().sum() > 0


def test_models_without_gradients_are_refused_and_told_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "scorer.py").write_text("def score(images): return [[1.0, 0.0] for _ in images]")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"graph")
    for name in ("scorer:score", "http://localhost:1/scores", "model.onnx"):
        with pytest.raises(BadConfig, match="gives no gradients"):
            open_asked(name, Worker(workspace=tmp_path))


def test_what_is_no_denoiser_of_pixels_is_refused():
    for name in ("zoo:diorama", "zoo:diorama/clip"):
        with pytest.raises(BadConfig, match="does not hold a diffusion model of pixels"):
            open_denoiser(name)


def test_the_eyes_are_any_backbone_or_vgg(tmp_path: Path):
    worker = Worker(workspace=tmp_path)
    x_BCHW = torch.rand(2, 3, 16, 16).requires_grad_()
    seen = open_eyes(Backbone(), worker)(x_BCHW)
    assert seen.shape == (2, 65 * 128)  # the zoo's CLIP: all places of the middle layer
    assert torch.autograd.grad(seen.square().sum(), x_BCHW)[0].abs().sum() > 0
    with pytest.raises(BadConfig, match=r"layers 0 to 4"):
        open_eyes(Backbone(layer=9), worker)(x_BCHW)
    network = eyes.vgg(18)
    assert [type(layer).__name__ for layer in network][-2:] == ["Conv2d", "ReLU"]
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in network) == 2
    assert network[16].weight.shape == (256, 256, 3, 3)
    save_file({f"features.{name}": tensor for name, tensor in eyes.vgg(5).state_dict().items()}, tmp_path / "vgg")
    seen = open_eyes(Vgg(weights=str(tmp_path / "vgg"), layers=5), worker)(x_BCHW)
    assert seen.shape == (2, 64 * 8 * 8)
    with pytest.raises(BadConfig, match=r"lacks '5\.weight'"):
        open_eyes(Vgg(weights=str(tmp_path / "vgg")), worker)
    save_file({f"features.{name}": tensor[:9] for name, tensor in network.state_dict().items()}, tmp_path / "narrow")
    with pytest.raises(BadConfig, match=r"lacks '0\.weight' of the shape \[64, 3, 3, 3\]"):
        open_eyes(Vgg(weights=str(tmp_path / "narrow")), worker)


def test_the_eyes_are_the_half_that_sees_of_any_model_of_pictures_and_words(tmp_path: Path):
    half = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    words = {**half, "vocab_size": 9, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    with quiet():
        whole = SiglipModel(SiglipConfig(vision_config={**half, "image_size": 16, "patch_size": 8}, text_config=words))
        whole.save_pretrained(tmp_path)
    ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(tmp_path)
    assert open_eyes(Backbone(name=str(tmp_path)), Worker(workspace=tmp_path))(torch.zeros(1, 3, 8, 8)).shape == (1, 64)
    file = tmp_path / "model.safetensors"
    kept = {name: weights for name, weights in load_file(file).items() if "vision_model.encoder.layers.1" not in name}
    save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(BadConfig, match="lacks weights"):
        open_eyes(Backbone(name=str(tmp_path)), Worker(workspace=tmp_path))


def test_where_a_search_begins_unless_said_depends_on_how_pulls_arrive():
    assert [Plan().taken_back(mode, 50) for mode in ("fast", "chained", "exact")] == [28, 34, 34]
    assert [Plan().taken_back("fast", steps) for steps in (1, 20, 200)] == [1, 11, 112]
    assert (Plan(led_back=False).taken_back("fast", 50), Plan(start=7).taken_back("fast", 50)) == (34, 7)


def test_a_start_beyond_the_steps_is_refused():
    with pytest.raises(ValueError, match="start: 60 of 60"):
        Plan(steps=60, start=60, noised_further=True)
    assert math.isclose(Plan().tried("exact")[0], 8)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A denoiser and a classifier as folders, neither of which has learnt anything."""
    folder = tmp_path_factory.mktemp("models")
    save_denoiser(network().float(), scheduler(TRAINER), folder / "denoiser")
    with seeded("cpu", 3):
        save(
            build(SmallResNet(width=8, blocks=1), ("a", "b", "c"), "single-label", (16, 16)),
            said(("a", "b", "c"), "single-label"),
            1.0,
            folder / "classifier",
        )
    return folder


class TestExplain(StepContract):
    @pytest.fixture(autouse=True)
    def _parts(self, models: Path):
        self.models = models

    def step(self) -> Explain:
        plan = Plan(steps=10, start=3, scales=(0.5, 1.0))
        return Explain(classifier=str(self.models / "classifier"), denoiser=str(self.models / "denoiser"), search=plan)

    def items(self) -> list[Question]:
        worker = Worker(workspace=self.models)
        asked = open_asked(str(self.models / "classifier"), worker)
        found = [question(self.models, n, 0, size=24) for n in range(5)]
        said = probabilities(asked, worker, [worker.pixels.image(one.image) for one in found])
        return [replace(one, wanted=int(np.argmin(row))) for one, row in zip(found, said, strict=True)]

    def same(self, one: Any, other: Any) -> bool:
        """What is written as 8 bits may be rounded otherwise in a batch of another shape."""
        near = np.allclose(one.after, other.after, atol=2e-3) and one.before == other.before
        return near and (one.flipped, one.tries, one.start) == (other.flipped, other.tries, other.start)


def test_gradients_of_a_nearest_preparation_are_of_the_pixels_that_it_takes():
    preparation = Preparation(size=(4, 4), crop=None, resample=int(Image.Resampling.NEAREST))
    pixels = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    x_BCHW = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
    taken = np.array(Image.fromarray(pixels).resize((4, 4), Image.Resampling.NEAREST))
    assert torch.equal((fitted(x_BCHW, preparation)[0] * 255).round().permute(1, 2, 0), torch.from_numpy(taken).float())


def test_outputs_that_stand_for_one_class_are_wanted_together():
    answered = Answers(names=("cat", "dog", "cat"))
    assert list(wishes(np.array([0.1, 0.6, 0.3]), answered, "all")) == [(2, True)]
    assert answered.alike(2) == (0,)
    question = Question(image=Address("00" * 16), wanted=2, also=(0,))
    assert answered.sure([0.25, 0.25, 0.5], question) == 0.75
    assert answered.said([0.9, 0.0, 0.1], question) == "cat"
    logits = torch.tensor([[2.0, 3.0, 1.0]])
    both = Wishes(outputs=torch.tensor([[True, False, True]]), present=torch.tensor([True]))
    chosen = math.log(math.exp(2) + math.exp(1))
    assert reluctance(logits, both, "logits", False).item() == pytest.approx(-chosen)
    whole = math.log(math.exp(2) + math.exp(3) + math.exp(1))
    assert reluctance(logits, both, "log-probabilities", False).item() == pytest.approx(whole - chosen)
    one = Wishes(outputs=torch.tensor([[False, True, False]]), present=torch.tensor([True]))
    assert reluctance(logits, one, "logits", False).item() == -3.0
