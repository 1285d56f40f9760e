"""Diffusion models: how they are trained and how they draw. A part: knows the nouns, not the run and no other part."""
