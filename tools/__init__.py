"""What an agent can do to data: read it, judge it, repair it, change it, publish it."""
