"""The rows of `benchmarks/bench.py`: each measures a way of this project and a peer in turn, on the same files."""
