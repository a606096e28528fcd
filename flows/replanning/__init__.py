"""What a run changes before it tries again what failed."""
