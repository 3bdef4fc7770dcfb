"""What stands on the server: names of keys, messages, declarations."""
