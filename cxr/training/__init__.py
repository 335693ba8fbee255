"""Room 2: a Parquet dataset in, an evaluated and published model repo out. Its door is `train_hf.py`."""
