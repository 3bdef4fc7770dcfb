"""beanstalkd as a broker for Kombu."""
