"""Requests at work: batches of them, and threads for the event loop."""
