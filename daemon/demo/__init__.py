"""Everything at once in one terminal: a broker, a stock Celery worker, the daemon, and a hospital that sends."""
