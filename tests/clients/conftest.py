"""The fixtures of tests/mount serve here too."""

from tests.mount.conftest import mount, reference, source

__all__ = ["mount", "reference", "source"]
