"""Depth networks of every kind as teachers, and what their numbers mean."""
