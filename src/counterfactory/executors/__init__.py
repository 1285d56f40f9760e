"""Where steps run: here; elsewhere later."""
