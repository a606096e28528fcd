"""Why a run failed, or was sent to be enhanced: looked into step by step, with a change to its spec in the end."""
