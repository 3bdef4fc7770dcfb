"""Kombu's transport for Amazon SQS; `kombu_sqs.transport` is the documented module."""
