"""Cleaning by evidence: what a table says about its own cells, without rules, labels or a model.

One module for each kind of evidence; `decision` combines them, `cleaning` reads and writes the files.
"""
