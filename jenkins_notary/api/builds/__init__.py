"""Record builds, and find what is on record of them."""
