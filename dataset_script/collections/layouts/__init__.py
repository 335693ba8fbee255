"""The layouts that public collections come in: one module for each kind."""
