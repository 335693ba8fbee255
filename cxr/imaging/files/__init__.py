"""Which files are images: in folders, and in zips, whose names may be in any code page."""
