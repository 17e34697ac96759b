"""Videos and cameras: frame after frame, each with what was known of the one before."""
