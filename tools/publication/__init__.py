"""Publishing: a new version of the target is staged beside the old one, and swapped in at once."""
