"""Labelled sets as arrays, and the shards that build makes anywhere."""
