"""Keep what proves a build: logs, attachments, provenance, packs."""
