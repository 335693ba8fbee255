"""From the bytes of an image file to the input of a network: one reader, one preprocessing."""
