"""Transformation: the closed union of rules, and the expressions that they allow."""
