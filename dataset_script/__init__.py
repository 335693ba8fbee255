"""Raw X-ray collections → one Parquet dataset with a card and a report (Contract 1)."""
