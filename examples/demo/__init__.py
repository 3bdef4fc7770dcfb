"""Counts the lines, words and imports of a folder's source files by way of a broker.

A main thread publishes every file; worker threads, each with a connection of its own, count and
reply.  What every file gave is checked against a direct count at the end.
"""
