"""What the mount looks like: one module per virtual place. Nothing here knows FUSE.

The tree is made of the nodes of `pstorefs.tree.node`. `fuse.py` turns requests into calls on them;
tests walk them directly.
"""
