"""Read requests and write answers: what HTTP itself asks for."""
