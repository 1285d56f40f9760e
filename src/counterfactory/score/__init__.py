"""Models that score pictures: how well they go with words. A part: knows the nouns, not the run and no other part."""
