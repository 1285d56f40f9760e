"""The arithmetic of a diffusion with Gaussian noise. Knows no network, no picture and no source of randomness.

Equations are those of Ho et al. 2020 ("DDPM"), Song et al. 2021 ("DDIM") and Nichol & Dhariwal 2021 ("IDDPM"). Steps
are counted from 0, the cleanest; `step_B` holds one for each picture. Times are the steps that a network learnt.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, repeat

import torch
from torch import Tensor

WEIGHT = 1e-3  # of the bound, summed over all steps, in the hybrid loss (IDDPM, eq. 16)
LEAST_PROBABILITY = 1e-12  # of a pixel's value: its logarithm stays a number
LEVELS = 255  # between the values that a pixel of 8 bits has, which lie from -1 to 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Chain:
    """A diffusion step by step: a number each, computed in double precision and looked up where the pictures are."""

    times: Tensor  # what the network is told
    signal: Tensor  # how much of the picture is left after the step: the root of alpha-bar
    noise: Tensor  # how much noise there is then: the root of 1 - alpha-bar
    from_clean: Tensor  # weights of the mean of a step back (DDPM, eq. 7)
    from_noisy: Tensor
    least: Tensor  # logarithms of the least and the greatest variance of a step back: beta-tilde and beta
    most: Tensor

    def __len__(self) -> int:
        return len(self.times)


def linear_betas(times: int) -> Tensor:
    """Variances that noise is laid on with, from 1e-4 to 0.02 in a thousand steps (DDPM, section 4) or as fast."""
    return torch.linspace(0.1 / times, 20 / times, times, dtype=torch.float64)


def cosine_betas(times: int) -> Tensor:
    """Variances that let the signal go more evenly (IDDPM, eq. 17); no step takes it all."""
    edges = torch.arange(times + 1, dtype=torch.float64) / times
    left = torch.cos((edges + 0.008) / 1.008 * math.pi / 2).square()
    return (1 - left[1:] / left[:-1]).clamp(max=0.999)


def alpha_bars(betas: Tensor) -> Tensor:
    """What is left of the signal's power after each step (DDPM, eq. 4)."""
    return (1 - betas.double()).cumprod(0)


def respaced(times: int, steps: int) -> list[int]:
    """So many of the times, from the first to the last, evenly; the rounding is guided-diffusion's, sums and all."""
    stride = (times - 1) / (steps - 1) if steps > 1 else 1.0
    return [round(place) for place in accumulate(repeat(stride, steps - 1), initial=0.0)]


def chain(power: Tensor, times: Sequence[int], device: str = "cpu", dtype: torch.dtype = torch.float32) -> Chain:
    """The chain that visits only some times of a diffusion, given its alpha-bars (IDDPM, eq. 19)."""
    visited = torch.tensor(times)
    power = power.double().cpu()[visited]
    before = torch.cat([power.new_ones(1), power[:-1]])
    beta = 1 - power / before
    least = beta * (1 - before) / (1 - power)
    least[0] = least[1] if len(least) > 1 else beta[0]  # the last step back has no variance; a log needs one
    return Chain(
        times=visited.to(device),
        signal=power.sqrt().to(device, dtype),
        noise=(1 - power).sqrt().to(device, dtype),
        from_clean=(before.sqrt() * beta / (1 - power)).to(device, dtype),
        from_noisy=((1 - beta).sqrt() * (1 - before) / (1 - power)).to(device, dtype),
        least=least.log().to(device, dtype),
        most=beta.log().to(device, dtype),
    )


def noised(chain: Chain, clean_BCHW: Tensor, noise_BCHW: Tensor, step_B: Tensor) -> Tensor:
    """Pictures after a step of noising (DDPM, eq. 4)."""
    return at(chain.signal, step_B) * clean_BCHW + at(chain.noise, step_B) * noise_BCHW


def clean_of(chain: Chain, x_BCHW: Tensor, noise_BCHW: Tensor, step_B: Tensor) -> Tensor:
    """The clean picture, given the noise that is in a noisy one (DDPM, eq. 15)."""
    return (x_BCHW - at(chain.noise, step_B) * noise_BCHW) / at(chain.signal, step_B)


def noise_of(chain: Chain, x_BCHW: Tensor, clean_BCHW: Tensor, step_B: Tensor) -> Tensor:
    """The noise that is in a noisy picture, given the clean one."""
    return (x_BCHW - at(chain.signal, step_B) * clean_BCHW) / at(chain.noise, step_B)


def posterior_mean(chain: Chain, x_BCHW: Tensor, clean_BCHW: Tensor, step_B: Tensor) -> Tensor:
    """The mean of the picture one step back, given the clean one (DDPM, eq. 7)."""
    return at(chain.from_clean, step_B) * clean_BCHW + at(chain.from_noisy, step_B) * x_BCHW


def log_variance(chain: Chain, share_BCHW: Tensor, step_B: Tensor) -> Tensor:
    """The learnt variance of a step back, between the least at -1 and the greatest at 1 (IDDPM, eq. 15)."""
    share = (share_BCHW + 1) / 2
    return share * at(chain.most, step_B) + (1 - share) * at(chain.least, step_B)


def divergence(mean: Tensor, log_variance: Tensor, other_mean: Tensor, other_log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of one normal distribution from another, in nats, number by number."""
    ratio = (log_variance - other_log_variance).exp()
    distance = (mean - other_mean).square() * (-other_log_variance).exp()
    return 0.5 * (other_log_variance - log_variance + ratio + distance - 1)


def surprise(clean_BCHW: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Minus the log-likelihood of pixels of 8 bits under normal distributions, in nats (DDPM, eq. 13)."""
    deviation = (0.5 * log_variance).exp()
    darkest, brightest = clean_BCHW < -1 + 1 / LEVELS, clean_BCHW > 1 - 1 / LEVELS
    below = torch.special.ndtr((clean_BCHW - 1 / LEVELS - mean) / deviation).masked_fill(darkest, 0)
    inside = torch.special.ndtr((clean_BCHW + 1 / LEVELS - mean) / deviation).masked_fill(brightest, 1) - below
    surprises: Tensor = -inside.clamp(min=LEAST_PROBABILITY).log()
    return surprises


def bound(
    chain: Chain, x_BCHW: Tensor, clean_BCHW: Tensor, mean: Tensor, variance_log: Tensor, step_B: Tensor
) -> Tensor:
    """One step's term of the variational bound for each picture, in bits a pixel and channel (IDDPM, eq. 4 to 7)."""
    true_mean = posterior_mean(chain, x_BCHW, clean_BCHW, step_B)
    apart = divergence(true_mean, at(chain.least, step_B), mean, variance_log)
    last = surprise(clean_BCHW, mean, variance_log)
    return torch.where(step_B == 0, last.mean((1, 2, 3)), apart.mean((1, 2, 3))) / math.log(2)


def hybrid_loss(
    chain: Chain,
    output_BCHW: Tensor,
    clean_BCHW: Tensor,
    noise_BCHW: Tensor,
    step_B: Tensor,
    weight: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Of each picture, the two parts of the loss, whose sum is learnt from (IDDPM, eq. 16).

    The first is the error of the noise, which alone teaches the mean; the second is the bound, for the variance alone,
    by a weight of its own if one is given.
    """
    noise, share = output_BCHW.chunk(2, 1)
    x_BCHW = noised(chain, clean_BCHW, noise_BCHW, step_B)
    mean = posterior_mean(chain, x_BCHW, clean_of(chain, x_BCHW, noise.detach(), step_B), step_B)
    term = bound(chain, x_BCHW, clean_BCHW, mean, log_variance(chain, share, step_B), step_B)
    return (noise - noise_BCHW).square().mean((1, 2, 3)), (weight or WEIGHT * len(chain)) * term


def at(table: Tensor, step_B: Tensor) -> Tensor:
    """What a table says of each picture's step, to be multiplied with pictures."""
    return table[step_B][:, None, None, None]
