"""Assembled pipelines: what crews.registry plans, as stages that run on a dataset."""
