"""The document: what a person works on, what they can do to it, and how to take it back."""
