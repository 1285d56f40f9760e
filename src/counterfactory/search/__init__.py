"""Looking for the settings under which something is best."""
