"""The finished model, measured: its scores, their calibration, and the gate that stands before it."""
