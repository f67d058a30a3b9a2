"""Fetch what assets need from image registries and web servers.

Adapters: they move bytes and credentials and decide nothing about digests. ``requests``
is imported by this room only, when a word on the command line first needs the network.
"""
