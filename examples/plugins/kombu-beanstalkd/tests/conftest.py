pytest_plugins = ["kombu.testing.plugin"]
