"""The live page: its files, its server, and what runs the network in a browser."""
