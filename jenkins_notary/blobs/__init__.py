"""Store bodies by their digest, each store behind the Blobs port."""
