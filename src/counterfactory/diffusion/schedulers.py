"""The ways from noise to a picture, by short names, with a pipeline's own way of laying on noise."""

import inspect
from typing import Any, Literal

from counterfactory.errors import BadConfig

SchedulerName = Literal["own", "ddim", "ddpm", "pndm", "euler", "euler-ancestral", "dpm++", "unipc"]
CLASSES = {
    "ddim": "DDIMScheduler",
    "ddpm": "DDPMScheduler",
    "pndm": "PNDMScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler-ancestral": "EulerAncestralDiscreteScheduler",
    "dpm++": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
}


def steps_left(steps: int, strength: float) -> int:
    """So many of the steps are done at a strength, as diffusers counts them."""
    return min(int(steps * strength), steps)


def scheduler_like(own: Any, name: SchedulerName, eta: float = 0.0) -> Any:
    """The scheduler of a name for networks that learnt with the noise of `own`; `own` itself is one."""
    import diffusers

    scheduler = own
    if name != "own":
        scheduler = getattr(diffusers, CLASSES[name]).from_config(own.config, **_fixed(own.config, name))
    if eta and "eta" not in inspect.signature(scheduler.step).parameters:
        raise BadConfig(
            f"eta: it is DDIM's, and {type(scheduler).__name__} takes none; say scheduler: ddim, or leave it out."
        )
    return scheduler


def noising_scheduler(noising: Literal["linear", "cosine"], times: int, **more: str) -> Any:
    """How noise was laid on when pixels were learnt."""
    from diffusers import DDPMScheduler

    schedulers: Any = DDPMScheduler  # untyped in diffusers
    named: dict[str, Any] = {"beta_schedule": "squaredcos_cap_v2"}
    if noising == "linear":
        named = {"beta_schedule": "linear", "beta_start": 0.1 / times, "beta_end": 20 / times}
    return schedulers(num_train_timesteps=times, **named, **more)


def _fixed(own: Any, name: SchedulerName) -> dict[str, Any]:
    """Settings that a pipeline's own do not say, or say of another scheduler."""
    if name == "dpm++":
        return {"algorithm_type": "dpmsolver++"}  # the name says which
    if name in {"ddim", "ddpm"}:  # they would cut latents off as if these were pixels
        return {"clip_sample": own.get("clip_sample", False)}
    return {}
