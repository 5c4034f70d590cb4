# ruff: noqa: PLC0415 - models are imported when Django is ready
"""A Django project with django-celery-beat, in a process of its own: told what to do in lines of Python, one JSON answer each.

python django_shell.py ENGINE NAME [HOST PORT USER]
"""

from __future__ import annotations

import json
import sys
import traceback


def main() -> None:
    engine, name, *rest = sys.argv[1:]
    host, port, user = rest or ("", "", "")
    import django
    from django.conf import settings

    if engine == "mysql":
        import pymysql

        pymysql.version_info = (2, 2, 1, "final", 0)  # what Django asks of mysqlclient
        pymysql.install_as_MySQLdb()
    settings.configure(
        SECRET_KEY="x",
        DEBUG=False,
        ALLOWED_HOSTS=["*"],
        USE_TZ=True,
        TIME_ZONE="UTC",
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        ROOT_URLCONF="__main__",
        DATABASES={
            "default": {
                "ENGINE": f"django.db.backends.{engine}", "NAME": name, "HOST": host, "PORT": port, "USER": user,
                "OPTIONS": {"timeout": 20} if engine == "sqlite3" else {},
            }
        },
        INSTALLED_APPS=[
            "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
            "django.contrib.messages", "django_celery_beat",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[{
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {"context_processors": [
                "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]},
        }],
    )  # fmt: skip
    django.setup()
    from celery import Celery
    from django.contrib import admin
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client
    from django.urls import path

    Celery("wards", set_as_current=True).set_default()
    global urlpatterns  # noqa: PLW0603 - this file is its own table of URLs
    urlpatterns = [path("admin/", admin.site.urls)]
    call_command("migrate", verbosity=0)
    client = Client()
    known, _ = User.objects.get_or_create(username="chief", is_staff=True, is_superuser=True)
    client.force_login(known)
    import datetime as dt

    from django.db import connection
    from django_celery_beat import models

    names = {**vars(models), "client": client, "connection": connection, "datetime": dt}
    say(None)
    for line in sys.stdin:
        try:
            exec(json.loads(line), names)
            say(names.pop("answer", None))
        except Exception:  # noqa: BLE001 - for the test to see
            say({"error": traceback.format_exc()})


def say(answer: object) -> None:
    print(json.dumps(answer, default=str), flush=True)


urlpatterns: list[object] = []

if __name__ == "__main__":
    main()
