"""All that knows FUSE, trio and processes."""
