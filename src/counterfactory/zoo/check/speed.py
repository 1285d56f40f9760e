"""How many pictures a second the pipeline draws on this machine."""

import time

from counterfactory.types import Request
from counterfactory.zoo.check.drawing import Draw, opened
from counterfactory.zoo.check.subject import Section, Subject, Wanted

STEPS, BATCH, TIMES = 20, 16, 2


def measure(subject: Subject) -> Section:
    """Draws a batch twice, with guidance, and takes the quicker."""
    import torch

    from counterfactory.diffusion.drawing import draw

    worker = subject.run.worker
    parts = opened(Draw(model=subject.check.model, steps=STEPS), worker)
    requests = [Request(prompt="a red bus on grass in the rain", seed=n, guidance=4.0) for n in range(BATCH)]
    draw(parts, requests, 1)  # what is done once only
    seconds = []
    for _ in range(TIMES):
        began = time.perf_counter()
        draw(parts, requests, STEPS).cpu()
        seconds.append(time.perf_counter() - began)
    rate = round(BATCH / min(seconds), 2)
    threads = torch.get_num_threads()
    return Section(
        name="speed",
        numbers={"images_per_second": rate, "device": worker.device, "threads": threads},
        wanted=(
            Wanted(
                what=f"images/s, {STEPS} steps, batch {BATCH}", value=rate, two_cores=2, accelerator=2, unit="images/s"
            ),
        ),
        words=(f"Speed on {worker.device} with {threads} threads: {rate:.1f} images a second.",),
    )
