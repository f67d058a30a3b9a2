"""Define the plain values: digest, job id, status, statement, envelope, leaf."""
