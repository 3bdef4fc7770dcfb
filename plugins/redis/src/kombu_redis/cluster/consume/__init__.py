"""What is received in a cluster: queues of many masters are waited for, claims settled."""
