"""A training beside busy neighbours, with OpenMP threads that spin while they wait and with threads that sleep.

python benchmarks/wait_policy.py
"""

import json
import os
import subprocess
import sys
import time

STEP = """
import time, torch
from transformers import ResNetConfig, ResNetForImageClassification
config = ResNetConfig(embedding_size=24, hidden_sizes=[24, 48, 96], depths=[1, 1, 1], layer_type="basic", num_labels=10)
model, x = ResNetForImageClassification(config), torch.randn(32, 3, 64, 64)
for _ in range(3): model(x).logits.sum().backward()
began = time.perf_counter()
for _ in range(15): model(x).logits.sum().backward()
print(1e3 * (time.perf_counter() - began) / 15)
"""
BUSY = "while True: pass"


def step_ms(**environment: str) -> float:
    """Milliseconds of one training step in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", STEP], env={**os.environ, **environment}, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def main() -> None:
    neighbours = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count() or 1)]
    time.sleep(0.5)
    try:
        spinning, sleeping, single = [], [], []
        for _ in range(3):
            spinning.append(step_ms(OMP_WAIT_POLICY="active"))
            sleeping.append(step_ms(OMP_WAIT_POLICY="passive"))
            single.append(step_ms(OMP_NUM_THREADS="1"))
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()
    middle = {name: sorted(v)[1] for name, v in (("active", spinning), ("passive", sleeping), ("one", single))}
    shares = {"passive_over_active": round(middle["passive"] / middle["active"], 2)}
    print(json.dumps({"benchmark": "wait_policy", "step_ms": {k: round(v, 1) for k, v in middle.items()}, **shares}))


if __name__ == "__main__":
    main()
