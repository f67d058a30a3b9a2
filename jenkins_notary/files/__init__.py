"""Small files that the tool keeps for its user: pins and outboxes."""
