"""Rules compiled to Ibis: each takes the rows as they are and says which go on, which leave, and why."""

from tools.transformation.rules.chain import Transformed, carry_out, transform

__all__ = ["Transformed", "carry_out", "transform"]
