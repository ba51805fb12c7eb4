"""The scripted provider of the kit passes the standard tests itself."""

from .fake_hooks import FakeHooks


class TestFake(FakeHooks):
    """With an honest script."""
