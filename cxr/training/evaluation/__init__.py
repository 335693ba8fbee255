"""What a finished model scores, and what is fitted to validation afterwards."""
