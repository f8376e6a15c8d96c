"""All dumps of all places, kept current."""
