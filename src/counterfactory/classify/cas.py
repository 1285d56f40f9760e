"""How the published system trains the classifier of its score: on synthetic images, to be tested on real ones.

The classification accuracy score (Ravuri and Vinyals 2019) in the form of Lomurno et al. A fair comparison trains with
real images by the same recipe. What the trainer does unless told otherwise is this project's own.
"""

from counterfactory.classify.models import CifarResNet
from counterfactory.classify.train import ClassifierTrainer

# 4.29 million weights, at most 100 passes, the best state on validation; the temperature changes no class.
PUBLISHED = ClassifierTrainer(
    model=CifarResNet(width=64, blocks=3),
    augment="none",
    epochs=100,
    batch_size=256,
    learning_rate=1e-3,
    weight_decay=0.0,  # Adam, then
    label_smoothing=0.1,
    synthetic_probability=None,
    plateau=10,
    patience=25,
    calibrate=False,
)
PUBLISHED_SEARCH = PUBLISHED.with_(plateau=25, patience=50)  # the same as its search trains it
