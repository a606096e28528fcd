"""PySpark behind the engine's face."""
