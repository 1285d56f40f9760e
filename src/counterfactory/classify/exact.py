"""Equal bytes each time, where a worker asks for them."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from counterfactory.worker import Worker


@contextmanager
def exact(worker: Worker) -> Iterator[None]:
    """A deterministic worker computes inside without algorithms that vary; torch is as it was afterwards."""
    before, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    if worker.deterministic:
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
