"""The page and its API: gradio, and what protects it."""
