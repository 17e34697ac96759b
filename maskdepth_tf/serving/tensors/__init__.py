"""Arrays <-> what requests and replies hold: JSON and TensorProto."""
