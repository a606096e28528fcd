"""Notations of dates, numbers and truth values, and their plain form (see tools.engine.types)."""
