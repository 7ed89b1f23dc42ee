"""Weights of networks: which are published, how they are fetched, where they are kept, how they are read."""
