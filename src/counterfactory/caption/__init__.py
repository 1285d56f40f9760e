"""Models that say what a picture shows. A part: knows the nouns, not the run and no other part."""
