"""What a project with djangorestframework-simplejwt adds, so that log-out revokes both of a user's tokens.

simplejwt's own blacklist is a table that each request would ask, and knows refresh tokens alone: it is not needed.
"""

import logging
import os

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework import decorators, exceptions, response, serializers, views
from rest_framework_simplejwt import serializers as simplejwt_serializers
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError

# A pool of connections. What takes more than a second is given up; what a restart of the daemon cut off is tried again.
revoked = redis.Redis.from_url(
    os.environ.get("REVOKED_URL", "redis://127.0.0.1:6379"),
    socket_connect_timeout=1,
    socket_timeout=1,
    retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
)


def revoke(*tokens):
    with revoked.pipeline() as transaction:  # both or none; returns when they are on disk
        for token in tokens:
            transaction.execute_command("SADDEXAT", "revoked", "GT", token["exp"], token["jti"])
        transaction.execute()


class Revocable:
    def verify(self):
        super().verify()
        if revoked.sismember("revoked", self["jti"]):
            raise TokenError("Token is revoked")

    def blacklist(self):  # simplejwt calls it where BLACKLIST_AFTER_ROTATION is set
        revoke(self)


class AccessToken(Revocable, tokens.AccessToken):
    pass


class RefreshToken(Revocable, tokens.RefreshToken):
    access_token_class = AccessToken


class ObtainPairSerializer(simplejwt_serializers.TokenObtainPairSerializer):
    token_class = RefreshToken


class RefreshSerializer(simplejwt_serializers.TokenRefreshSerializer):
    token_class = RefreshToken


class LogOutSerializer(serializers.Serializer):
    refresh = serializers.CharField()


@decorators.api_view(["POST"])
def log_out(request):
    log_out = LogOutSerializer(data=request.data)
    log_out.is_valid(raise_exception=True)
    try:
        revoke(request.auth, RefreshToken(log_out.validated_data["refresh"]))
    except TokenError as error:
        raise InvalidToken(error.args[0]) from error
    return response.Response(status=204)


class NotKnown(exceptions.APIException):
    status_code, default_detail, wait = 503, "try again later", 1  # `wait` becomes Retry-After


def fail_closed(error, context):
    """Not known is not the same as not revoked. A log-out that was not stored is not confirmed, either."""
    if isinstance(error, redis.RedisError):
        logging.error("revocations: %s", error)
        error = NotKnown()
    return views.exception_handler(error, context)
