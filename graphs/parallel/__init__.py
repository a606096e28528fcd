"""ParallelWorkflow: branches in waves, sync points, merge, validation."""
