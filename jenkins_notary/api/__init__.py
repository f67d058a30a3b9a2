"""The commands as methods: composition of the rooms below."""
