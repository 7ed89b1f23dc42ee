"""What is heard, sample by sample. No thread and no device in here."""
