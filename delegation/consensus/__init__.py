"""Agents propose changes, and vote on them."""
