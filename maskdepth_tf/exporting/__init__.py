"""What lies beside a SavedModel, and other formats of the network."""
