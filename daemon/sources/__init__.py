"""Where entries come from besides the site file: the application, django-celery-beat's tables, RedBeat's keys."""
