"""Sign the checkpoints of logs, and ask other witnesses to sign those of this one."""
