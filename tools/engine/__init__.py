"""What all tools stand on: the engine's session, files, row ids."""
