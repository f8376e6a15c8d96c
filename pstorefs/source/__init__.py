"""Where records come from: a directory, perhaps one that hangs."""
