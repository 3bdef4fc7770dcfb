"""AMQP's rules, stated once, and asked of a real RabbitMQ and of the memory transport."""
