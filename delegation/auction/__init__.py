"""Tasks are put up, agents bid for them, sealed."""
