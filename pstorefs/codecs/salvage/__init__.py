"""What can still be read of compressed data that is cut short or damaged."""
