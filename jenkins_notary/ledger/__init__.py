"""Order records and commit them: sequencing, indexes, verification, backup."""
