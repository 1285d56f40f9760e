"""The project's own small models, and how they are trained from nothing."""
