"""What is measured: pure functions of numbers."""
