"""The contract suites."""
