"""What verify, stats and show look for in a labelled set."""
