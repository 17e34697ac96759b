"""The network: its layers, losses, metrics, optimizer and what its outputs mean."""
