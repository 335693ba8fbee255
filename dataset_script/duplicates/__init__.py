"""Near-duplicates: finding them by their pixels, and deciding which image of a cluster stays."""
