"""Quality: checks, what they find, what is repaired, who leaves and why."""
