"""Any image classifier and prepared datasets in, one honest report out; its command is `assess.py`."""
