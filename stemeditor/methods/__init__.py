"""The library of separation: ways to take a song apart, each a file with its mathematics only."""
