"""Answer the requests of people's browsers with pages."""
