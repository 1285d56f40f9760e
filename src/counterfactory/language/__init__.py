"""Words: what of a caption may change, into what, and whether the label is still there."""
