"""The network: reading its folder, weights and outputs, running it, and where in an image its evidence lies."""
