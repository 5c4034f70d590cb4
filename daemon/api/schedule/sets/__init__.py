"""All schedules at once, and sets of entries that are frozen before something is done with them, over HTTP."""
