"""Django REST framework with simplejwt: a whole project in one file. What makes log-out revoke is `revocation.py`.

    export SECRET_KEY=... REVOKED_URL=redis://127.0.0.1:6379
    python app.py migrate && python app.py createsuperuser
    gunicorn --workers 8 app:application
"""

import os

import django
from django.conf import settings
from django.core.management import execute_from_command_line

settings.configure(
    SECRET_KEY=os.environ["SECRET_KEY"],
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("APP_DB", "app.db")}},
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "EXCEPTION_HANDLER": "revocation.fail_closed",
    },
    SIMPLE_JWT={
        "AUTH_TOKEN_CLASSES": ["revocation.AccessToken"],
        "TOKEN_OBTAIN_SERIALIZER": "revocation.ObtainPairSerializer",
        "TOKEN_REFRESH_SERIALIZER": "revocation.RefreshSerializer",
    },
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.decorators import api_view  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework_simplejwt.views import token_obtain_pair, token_refresh  # noqa: E402

from revocation import log_out  # noqa: E402


@api_view()
def profile(request):
    return Response({"name": request.user.username})


urlpatterns = [
    path("login", token_obtain_pair),
    path("refresh", token_refresh),
    path("profile", profile),
    path("logout", log_out),
]
application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line()
