"""Counterfactual explanations: the least change of an image by which a classifier says something else."""
