"""The arithmetic of diffusion, against what is known exactly and against diffusers' own."""

import math

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.models.unets.unet_2d import UNet2DOutput
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from counterfactory.diffusion.gaussian import (
    Chain,
    alpha_bars,
    at,
    bound,
    chain,
    clean_of,
    cosine_betas,
    divergence,
    hybrid_loss,
    linear_betas,
    log_variance,
    noise_of,
    noised,
    posterior_mean,
    respaced,
    surprise,
)
from counterfactory.diffusion.sampling import Denoiser, draw, draw_fast, guess, step_back
from counterfactory.errors import BadConfig

DOUBLE = torch.float64
NAMED = {"linear": {"beta_start": 1e-4, "beta_end": 0.02}, "squaredcos_cap_v2": {}}
BETAS = {"linear": linear_betas, "squaredcos_cap_v2": cosine_betas}
MIDDLE, SPREAD = 0.2, 0.1  # of the pixels of a world whose exact denoiser is known


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def whole_chain(times: int = 1000, name: str = "squaredcos_cap_v2") -> Chain:
    return chain(alpha_bars(BETAS[name](times)), range(times), dtype=DOUBLE)


class Exact(nn.Module):
    """Knows the noise and the variance of a step back where every pixel is normal around MIDDLE by SPREAD."""

    def __init__(self, links: Chain) -> None:
        super().__init__()
        self.links = links

    def forward(self, x_BCHW: Tensor, time_B: Tensor) -> UNet2DOutput:
        step_B = torch.searchsorted(self.links.times, time_B)
        signal, noise = at(self.links.signal, step_B), at(self.links.noise, step_B)
        whole = (signal * SPREAD) ** 2 + noise**2
        expected = noise * (x_BCHW - signal * MIDDLE) / whole
        unknown = (SPREAD * noise) ** 2 / whole  # variance of the clean pixel, given the noisy one
        least, most = at(self.links.least, step_B), at(self.links.most, step_B)
        variance = least.exp() + at(self.links.from_clean, step_B) ** 2 * unknown
        share = 2 * (variance.log() - least) / (most - least) - 1
        return UNet2DOutput(sample=torch.cat([expected, share.expand_as(expected)], 1))


def exact(steps: int, times: int = 1000) -> Denoiser:
    power = alpha_bars(linear_betas(times))
    links = chain(power, respaced(times, steps), dtype=DOUBLE)
    return Denoiser(network=Exact(links), power=power, shape=(1, 48, 48), dtype=DOUBLE)


@pytest.mark.parametrize("name", NAMED)
def test_noise_is_laid_on_as_in_diffusers(name: str):
    scheduler = DDPMScheduler(beta_schedule=name, **NAMED[name])
    assert torch.allclose(BETAS[name](1000).float(), scheduler.betas, rtol=2e-4)
    assert torch.allclose(alpha_bars(BETAS[name](1000)).float(), scheduler.alphas_cumprod, atol=2e-6)


def test_a_diffusion_of_fewer_steps_loses_as_much_signal():
    for betas in BETAS.values():
        assert alpha_bars(betas(500))[249] == pytest.approx(alpha_bars(betas(1000))[499].item(), rel=0.01)


def test_500_times_become_200_as_in_guided_diffusion():
    times = respaced(500, 200)
    assert (times[0], times[59], times[60], times[-1]) == (0, 148, 150, 499)
    power = alpha_bars(linear_betas(500))
    links = chain(power, times, dtype=DOUBLE)
    assert len(links) == 200
    assert links.signal[59] == pytest.approx(0.6335, abs=1e-4)
    assert torch.equal(links.signal, power[times].sqrt())


def test_times_are_all_of_them_or_one():
    assert respaced(7, 7) == list(range(7))
    assert respaced(7, 1) == [0]
    assert respaced(10, 2) == [0, 9]


def test_the_last_step_back_has_a_variance_that_has_a_logarithm():
    for steps in (1, 2, 1000):
        links = chain(alpha_bars(cosine_betas(1000)), respaced(1000, steps))
        assert links.least.isfinite().all()
        assert (links.least <= links.most).all()


def test_clean_and_noise_follow_from_each_other():
    links, step = whole_chain(), torch.tensor([0, 500, 990])
    x, noise = normal(3, 3, 4, 4), normal(3, 3, 4, 4, seed=1)
    noisy = noised(links, x, noise, step)
    assert torch.allclose(clean_of(links, noisy, noise, step), x, atol=1e-6)
    assert torch.allclose(noise_of(links, noisy, x, step), noise)


def test_a_step_back_and_a_step_of_noise_make_the_same_pair():
    """Bayes: q(x_t-1 | x_0) q(x_t | x_t-1) = q(x_t | x_0) q(x_t-1 | x_t, x_0), tried at numbers of no meaning."""
    links, step = whole_chain(), torch.tensor([300])
    clean, before, after = (torch.full((1, 1, 1, 1), value, dtype=DOUBLE) for value in (0.3, -0.4, 0.9))
    beta = links.most[300].exp()
    forth = Normal(links.signal[299] * clean, links.noise[299]).log_prob(before)
    forth = forth + Normal((1 - beta).sqrt() * before, beta.sqrt()).log_prob(after)
    back = Normal(links.signal[300] * clean, links.noise[300]).log_prob(after)
    mean = posterior_mean(links, after, clean, step)
    back = back + Normal(mean, (0.5 * links.least[300]).exp()).log_prob(before)
    assert forth.item() == pytest.approx(back.item())


def test_the_variance_lies_between_its_bounds():
    links, step = whole_chain(), torch.tensor([10])
    said = [log_variance(links, torch.full((1, 1, 1, 1), share), step).item() for share in (-1.0, 0.0, 1.0)]
    least, most = links.least[10].item(), links.most[10].item()
    assert said == pytest.approx([least, (least + most) / 2, most])


def test_divergence_is_torchs_own():
    first, second = (normal(50, seed=seed) for seed in (0, 1))
    ours = divergence(first, second, second, first)
    theirs = kl_divergence(Normal(first, (0.5 * second).exp()), Normal(second, (0.5 * first).exp()))
    assert torch.allclose(ours, theirs)


def test_the_probabilities_of_all_values_of_a_pixel_are_one():
    values = (torch.arange(256, dtype=DOUBLE) / 127.5 - 1)[:, None, None, None]
    for mean, deviation in ((0.1, 0.3), (-0.99, 0.1), (3.0, 2.0)):
        nats = surprise(values, torch.tensor(mean, dtype=DOUBLE), torch.tensor(2 * math.log(deviation), dtype=DOUBLE))
        assert (-nats).exp().sum().item() == pytest.approx(1)


def test_the_bound_is_nothing_where_the_step_back_is_true_and_counts_bits_at_the_last():
    links = whole_chain()
    clean, step = normal(2, 3, 4, 4).clamp(-1, 1), torch.tensor([40, 0])
    x = noised(links, clean, normal(2, 3, 4, 4, seed=1), step)
    mean = posterior_mean(links, x, clean, step)
    variance = at(links.least, step).expand_as(x)
    terms = bound(links, x, clean, mean, variance, step)
    assert terms[0].item() == pytest.approx(0, abs=1e-12)
    assert terms[1].item() == pytest.approx((surprise(clean, mean, variance)[1] / math.log(2)).mean().item())


def test_each_part_of_the_hybrid_loss_teaches_its_own_half():
    links = whole_chain()
    output = normal(2, 6, 4, 4, seed=3).requires_grad_()
    data = (normal(2, 3, 4, 4).clamp(-1, 1), normal(2, 3, 4, 4, seed=1), torch.tensor([0, 400]))
    errors, bounds = hybrid_loss(links, output, *data)
    (of_error,) = torch.autograd.grad(errors.sum(), output, retain_graph=True)
    (of_bound,) = torch.autograd.grad(bounds.sum(), output)
    assert of_error[:, 3:].abs().max() == 0
    assert of_bound[:, :3].abs().max() == 0
    assert of_error[:, :3].abs().min() > 0
    assert of_bound[1, 3:].abs().min() > 0
    assert torch.allclose(errors, (output[:, :3] - data[1]).square().mean((1, 2, 3)))


def test_the_hybrid_loss_weighs_the_whole_bound_with_a_thousandth():
    links, step = whole_chain(500), torch.tensor([77])
    clean, noise, output = normal(1, 3, 4, 4), normal(1, 3, 4, 4, seed=1), normal(1, 6, 4, 4, seed=2)
    x = noised(links, clean, noise, step)
    mean = posterior_mean(links, x, clean_of(links, x, output[:, :3], step), step)
    term = bound(links, x, clean, mean, log_variance(links, output[:, 3:], step), step)
    assert hybrid_loss(links, output, clean, noise, step)[1].item() == pytest.approx(0.001 * 500 * term.item())
    assert hybrid_loss(links, output, clean, noise, step, 1.0)[1].item() == pytest.approx(term.item())


def test_the_loss_is_least_at_the_true_variance():
    links, step = whole_chain(name="linear"), torch.full((64,), 30)
    clean = MIDDLE + SPREAD * normal(64, 1, 8, 8)
    noise = normal(64, 1, 8, 8, seed=1)
    output = Exact(links)(noised(links, clean, noise, step), links.times[step]).sample

    def bits(change: float) -> float:
        changed = torch.cat([output[:, :1], output[:, 1:] + change], 1)
        return hybrid_loss(links, changed, clean, noise, step)[1].mean().item()

    assert bits(0) < min(bits(-0.1), bits(0.1))


@pytest.mark.parametrize("steps", [1000, 100])
@pytest.mark.parametrize("name", NAMED)
def test_a_step_back_is_that_of_diffusers(name: str, steps: int):
    scheduler = DDPMScheduler(
        beta_schedule=name, variance_type="learned_range", timestep_spacing="linspace", **NAMED[name]
    )
    scheduler.set_timesteps(steps)
    power = alpha_bars(scheduler.betas)
    links = chain(power, respaced(1000, steps), dtype=DOUBLE)
    assert scheduler.timesteps.flip(0).tolist() == links.times.tolist()
    output, x = normal(1, 6, 4, 4, seed=3) * 0.5, normal(1, 3, 4, 4, seed=4)
    model = Denoiser(network=lambda *_: UNet2DOutput(sample=output), power=power, shape=(3, 4, 4), dtype=DOUBLE)
    for number in (0, 1, steps // 2, steps - 1):
        step = torch.tensor([number])
        theirs = scheduler.step(output, links.times[number], x, generator=torch.Generator().manual_seed(5)).prev_sample
        ours = step_back(guess(model, links, x, step), normal(1, 3, 4, 4, seed=5), step)
        assert torch.allclose(ours, theirs, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("steps", [1000, 50])
def test_the_exact_denoiser_draws_the_world_that_it_knows(steps: int):
    drawn = draw(exact(steps), range(4), steps)
    assert drawn.mean().item() == pytest.approx(MIDDLE, abs=4 * SPREAD / drawn.numel() ** 0.5)
    assert drawn.std().item() == pytest.approx(SPREAD, rel=0.04)


def test_so_it_does_in_few_steps_without_chance():
    model = exact(300)
    drawn = draw_fast(model, range(4), 300)
    assert drawn.mean().item() == pytest.approx(MIDDLE, abs=4 * SPREAD / drawn.numel() ** 0.5)
    assert drawn.std().item() == pytest.approx(SPREAD, rel=0.05)  # a step has a length
    assert torch.equal(drawn, draw_fast(model, range(4), 300))


@pytest.mark.parametrize("drawing", [draw, draw_fast])
def test_a_picture_is_the_same_whatever_it_is_drawn_beside(drawing):
    model = exact(10)
    together = drawing(model, [3, 4, 5], 10)
    assert torch.allclose(drawing(model, [4], 10), together[1:2])
    assert not torch.allclose(together[0], together[1])


def test_more_steps_than_were_learnt_are_refused():
    with pytest.raises(BadConfig, match="trained on 1000"):
        exact(10).chain(1001)
