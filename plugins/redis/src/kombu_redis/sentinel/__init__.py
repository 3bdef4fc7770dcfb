"""Redis behind sentinels, which say who the master is."""
