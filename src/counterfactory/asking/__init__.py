"""Asking language models: many questions at once, every reply checked, kept and never asked for again."""
