"""Tasks that are sent through the API."""
