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
