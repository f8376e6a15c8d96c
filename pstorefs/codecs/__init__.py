"""The formats of compressed records, one page each; `detect` tells them apart."""
