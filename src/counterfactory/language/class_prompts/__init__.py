"""Prompts for each class of a data set: by rules, by a language model, or a person's own."""
