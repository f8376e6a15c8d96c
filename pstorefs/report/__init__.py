"""The files of a dump, made in one place; status, health and the journal."""
