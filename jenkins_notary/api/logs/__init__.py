"""Record the logs of builds, read them, and hold them to what Jenkins shows."""
