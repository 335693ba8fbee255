"""What is kept while a dataset is prepared, and how the finished one is written and read back."""
