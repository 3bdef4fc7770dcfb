"""What is sent in a cluster: messages, and the bindings they are routed by."""
