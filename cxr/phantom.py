"""Synthetic chest radiographs with known answers (stub, replaced soon)."""
