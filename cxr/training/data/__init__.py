"""Opening a prepared dataset and feeding its images to the network."""
