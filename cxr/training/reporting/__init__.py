"""From measured numbers to `metrics.json`, figures and the model card."""
