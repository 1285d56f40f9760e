"""Diorama, a picture world in which every factor of every scene is known and can be changed alone."""

from counterfactory.data.diorama.captions import caption
from counterfactory.data.diorama.folder import write
from counterfactory.data.diorama.render import render
from counterfactory.data.diorama.splits import read, sample_of
from counterfactory.data.diorama.world import Scene, changed, unusual

__all__ = ["Scene", "caption", "changed", "read", "render", "sample_of", "unusual", "write"]
