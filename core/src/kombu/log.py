import logging
def get_logger(n): return logging.getLogger(n)
