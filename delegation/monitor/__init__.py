"""The monitor: pipelines and machine looked at again and again, and what calls for attention told once."""
