"""Runs as OpenLineage events, through openlineage-python (the extra `openlineage`)."""
