"""The nouns. Every recipe is written in terms of these; none of them knows a model or a disk."""

from counterfactory.types.reports import Gallery, Interval, Picture, Plot, Report, Series, Table
from counterfactory.types.requests import Control, Explanation, Question, Request, TokenNoise
from counterfactory.types.samples import Address, Collection, Dataset, Origin, Plain, Problem, Sample, Target, Task
from counterfactory.types.steps import Artifact, Failed, Item, Item_in, Result, Result_out, Step, Trainer, succeeded
from counterfactory.types.words import ClassWish, Edit, Passage, Rewriting

__all__ = [
    "Address",
    "Artifact",
    "ClassWish",
    "Collection",
    "Control",
    "Dataset",
    "Edit",
    "Explanation",
    "Failed",
    "Gallery",
    "Interval",
    "Item",
    "Item_in",
    "Origin",
    "Passage",
    "Picture",
    "Plain",
    "Plot",
    "Problem",
    "Question",
    "Report",
    "Request",
    "Result",
    "Result_out",
    "Rewriting",
    "Sample",
    "Series",
    "Step",
    "Table",
    "Target",
    "Task",
    "TokenNoise",
    "Trainer",
    "succeeded",
]
