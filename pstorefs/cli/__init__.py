"""What people type: pstorefs, pstorecat, and one module for each action without a mount."""
