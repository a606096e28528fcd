"""Crewline's own agents, as agents.yaml defines them."""
