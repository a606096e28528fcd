"""Rules compiled to Ibis: each takes the rows as they are and says which go on, which leave, and why."""

from tools.transformation.rules.chain import carry_out, transform
from tools.transformation.rules.passage import Passage

__all__ = ["Passage", "carry_out", "transform"]
