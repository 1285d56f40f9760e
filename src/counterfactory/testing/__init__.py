"""Contracts that a plug-in author inherits: what every step, engine, trainer and store must keep.

from counterfactory.testing import StepContract

class TestMyStep(StepContract):
    def step(self): return MyStep(factor=2)
    def items(self): return [1, 2, 3]
"""

from counterfactory.testing.engines import EngineContract
from counterfactory.testing.steps import StepContract
from counterfactory.testing.stores import StoreContract
from counterfactory.testing.trainers import TrainerContract

__all__ = ["EngineContract", "StepContract", "StoreContract", "TrainerContract"]
