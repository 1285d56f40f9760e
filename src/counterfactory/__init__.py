"""Counterfactory: what generative models can add to a labelled image set."""

__version__ = "0.1.0"
