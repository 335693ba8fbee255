"""Patient-level splits and external test sets."""
