"""The page of a run: one self-contained HTML file, of what is on record and on file."""
