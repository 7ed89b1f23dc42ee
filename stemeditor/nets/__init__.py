"""Networks: tensors in, tensors out. Nothing here knows of files, songs or progress."""
