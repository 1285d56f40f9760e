"""The methods: each a short file that reads from top to bottom."""
