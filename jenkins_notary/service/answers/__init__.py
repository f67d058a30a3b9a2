"""Answer the requests of programs: what each route does."""
