"""What the user sets: the -o table, keep= and default paths."""
