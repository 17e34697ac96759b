"""Pairs of pictures disturbed on purpose, and what masks are worth afterwards."""
