"""Make the service's pages: what was found goes in, HTML comes out."""
