"""The machine and its libraries: mountinfo, malloc, what may be printed."""
