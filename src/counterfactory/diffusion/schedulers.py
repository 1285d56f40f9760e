"""The ways from noise to a picture, by short names, with a pipeline's own way of laying on noise."""

from typing import Any, Literal

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
FIXED = {"dpm++": {"algorithm_type": "dpmsolver++"}}  # the name says which, whatever the pipeline's own settings say


def steps_left(steps: int, strength: float) -> int:
    """So many of the steps are done at a strength, as diffusers counts them."""
    return min(int(steps * strength), steps)


def scheduler_like(own: Any, name: SchedulerName) -> Any:
    """The scheduler of a name for networks that learnt with the noise of `own`; `own` itself is one."""
    import diffusers

    if name == "own":
        return own
    return getattr(diffusers, CLASSES[name]).from_config(own.config, **FIXED.get(name, {}))


def noising_scheduler(noising: Literal["linear", "cosine"], times: int, variance: str) -> Any:
    """How noise was laid on when pixels were learnt; its steps are spaced as guided-diffusion spaces them."""
    from diffusers import DDPMScheduler

    schedulers: Any = DDPMScheduler  # untyped in diffusers
    named: dict[str, Any] = {"beta_schedule": "squaredcos_cap_v2"}
    if noising == "linear":
        named = {"beta_schedule": "linear", "beta_start": 0.1 / times, "beta_end": 20 / times}
    return schedulers(num_train_timesteps=times, variance_type=variance, timestep_spacing="linspace", **named)
