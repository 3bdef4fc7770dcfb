"""Lines to a server: where it is, what is said on them, what goes wrong."""
