"""AdaptiveWorkflow: the agents that a queue of tasks needs, specified and spawned as it is worked on."""
