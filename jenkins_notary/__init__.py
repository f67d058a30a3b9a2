"""Notarize what Jenkins builds, and prove it offline."""
