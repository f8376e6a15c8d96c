"""The language of the control file: lines to commands, and commands carried out."""
