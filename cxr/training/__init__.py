"""A Parquet dataset in, an evaluated and published model repo out; its command is `train_hf.py`."""
