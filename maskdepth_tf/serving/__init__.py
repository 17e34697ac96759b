"""Server with TF Serving's REST and gRPC interfaces, for those who have none."""
