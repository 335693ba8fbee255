"""Trials of what may close the gap between inside and outside; `python -m experiments` runs and records them."""
