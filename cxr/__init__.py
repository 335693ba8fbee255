"""A COVID-19 chest X-ray classifier whose numbers can be believed: the library under the commands."""
