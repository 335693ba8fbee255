"""One commit on the Hub, its tag, and the Space that shows it."""
