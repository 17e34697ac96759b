"""Brings a background onto its picture: the camera's movement and the light undone."""
