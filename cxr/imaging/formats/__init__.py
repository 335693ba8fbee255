"""File formats: what a file is, what it costs to decode, and what can be learnt from it without decoding."""
