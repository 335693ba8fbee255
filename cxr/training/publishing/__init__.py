"""A finished model folder on the Hub: one commit of a model repo, its tag, and a Space that shows it."""
