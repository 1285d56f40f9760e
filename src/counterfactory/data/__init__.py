"""Reading labelled images from any form they come in, choosing among them, and writing them out."""
