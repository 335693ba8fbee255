"""Opening prepared datasets and turning their rows into batches for the network."""
