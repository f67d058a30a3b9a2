"""Programs that run without this package: copied out as they are, each one file."""
