"""Background machinery, and the jobs of the program."""
