"""What is sent: messages, the bindings they are routed by, the channels of fanouts."""
