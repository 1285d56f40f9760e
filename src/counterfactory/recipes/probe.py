"""The network that DA-Fusion and those after it compare methods by; its configuration alone."""

from counterfactory.classify.models import Checkpoint
from counterfactory.classify.train import ClassifierTrainer

PROBE = ClassifierTrainer(  # as DA-Fusion and those after it train: fifty times 200 batches on a backbone that stays
    model=Checkpoint(name="microsoft/resnet-50"),
    steps=10_000,
    learning_rate=1e-4,
    weight_decay=0,
    label_smoothing=0,
    evaluate_every=200,
)
