"""A run: its state, its loop, its callbacks, and how several workers share it."""
