"""Interventions against learning the source instead of the disease; `python -m experiments` tries and records them."""
