"""Metrics, their intervals over patients, and split-conformal sets."""
