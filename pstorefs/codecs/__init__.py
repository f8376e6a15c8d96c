"""The formats of compressed records, one module each; detect.py finds out which one it is."""
