"""Training: songs made from a corpus, data sets, losses, and the loop that fits a network of `nets/`."""
