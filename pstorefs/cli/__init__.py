"""What people type: pstorefs, pstorecat, and the one-shot `pstorefs --archive`."""
