"""Sound as values: arrays of float32 (channels, frames), files, transforms, pictures, levels."""
