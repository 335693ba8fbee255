"""The floor that the three rooms (dataset_script, training, serving) stand on."""
