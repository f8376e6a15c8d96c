"""Coverage-guided fuzzing of everything that takes bytes or names from outside.

A target is a plain function that takes bytes and asserts what must hold of whatever pstorefs makes
of them. The targets stand in three modules (`codecs`, `texts`, `places`), all of them in
`table.TARGETS`. They import no fuzzer: tests/unit/test_found.py replays what was found, the inputs
under found/, in the ordinary unit tests. `python -m tests.fuzz` lets atheris loose on them.
"""
