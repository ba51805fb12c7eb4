"""moto as a WSGI application for every call that the overlay does not answer itself."""

import threading
from typing import Any

import boto3
from botocore.loaders import Loader
from moto.acm.models import acm_backends
from moto.acmpca.models import acmpca_backends
from moto.core import base_backend
from moto.core.base_backend import BackendDict
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.secretsmanager.models import secretsmanager_backends
from moto.ssm.models import ssm_backends
from moto.sts.models import sts_backends
from werkzeug.test import EnvironBuilder, run_wsgi_app

from nhisync_aws.emulator.wire import ApiError, Call, Reply, unknown_operation
from nhisync_aws.sdk import isolated_session

_BACKENDS: tuple[BackendDict[Any], ...] = (
    acm_backends,
    acmpca_backends,
    iam_backends,
    kms_backends,
    secretsmanager_backends,
    ssm_backends,
    sts_backends,
)


MOTO = threading.RLock()
"""Held for every touch of moto's state. It is of the process as that state is: two worlds share moto's backends, and
moto walks over all accounts while the other world makes one."""

_SERVED = frozenset(backends.service_name for backends in _BACKENDS)
_MODELS = Loader()  # of its own: moto knows more services than the adapter, and boto3 adds its folder


def _isolated() -> boto3.Session:
    core = isolated_session()
    core.register_component("data_loader", _MODELS)
    return boto3.Session(botocore_session=core)


# Moto asks a boto3 session for region names. It must not meet the profile of whoever runs this: a misspelt AWS_PROFILE
# would end the world.
setattr(base_backend, "Session", _isolated)  # noqa: B010 - a class's name is given a function, knowingly


def forget_account(account: str) -> None:
    """Drop all of an account: moto's backends are process-wide, a world's accounts must not outlive it."""
    for backends in _BACKENDS:
        backends.pop(account, None)


class MotoApp:
    """Hands a call to moto, in the account that the overlay authenticated."""

    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)

    def answer(self, call: Call, account: str) -> Reply:
        """Moto's own answer.

        Raises:
            ApiError: moto does not implement the operation, or failed inside.
        """
        if call.service not in _SERVED:
            raise unknown_operation(call.service, call.operation)
        builder = EnvironBuilder(
            method=call.raw.method,
            base_url=f"http://{call.service}.{call.region}.amazonaws.com",
            path="/",
            data=call.raw.body,
            headers=[*call.raw.headers.items(), ("x-moto-account-id", account)],
        )
        try:
            body, status, headers = run_wsgi_app(self._app, builder.get_environ(), buffered=True)
        except NotImplementedError:
            raise unknown_operation(call.service, call.operation) from None
        except Exception as error:  # noqa: BLE001 - moto lets any exception out; a server answers InternalFailure
            raise ApiError("InternalFailure", type(error).__name__, status=500) from None
        finally:
            builder.close()
        kept = {k: v for k, v in headers.items() if k.lower() not in {"content-length", "connection", "date", "server"}}
        return Reply(int(status.split()[0]), kept, b"".join(body))
