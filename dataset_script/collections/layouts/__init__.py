"""The layouts that public collections come in, one module each, and what they have in common."""
