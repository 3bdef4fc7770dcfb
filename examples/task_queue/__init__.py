"""A very simple task queue with pickled functions, and queues for three priorities."""
