"""Redis and Valkey as a cluster: queues lie on the master that has their slot."""
