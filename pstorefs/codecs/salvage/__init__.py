"""Recovery of text from compressed data that is cut short or damaged."""
