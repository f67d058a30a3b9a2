"""Hold the tests; a package, so that tests share `tests.parts`."""
