"""Messages between agents, through PostgreSQL."""
