"""Clients of a server: REST and gRPC, without TensorFlow."""
