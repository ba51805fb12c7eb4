"""Faults of a whole source, not of a node: dead tokens, refused logins, closed listeners, a dead database."""

from typing import TYPE_CHECKING

from nhisync_vault.emulator.database import DatabaseEngine
from nhisync_vault.emulator.fakedb import FakeDatabase
from nhisync_vault.emulator.tokens import TokenEntry

if TYPE_CHECKING:
    from nhisync_vault.emulator.world import Source

AUTH_MOUNT = "nhisync"
"""AppRole mount of nhisync's own identity."""


def expire_tokens(place: "Source", *, off: bool = False) -> None:
    """Revoke every token of the inventory policy; the next call meets a 403."""
    if off:
        return
    core = place.core
    with core.lock:
        view = core.token_view()
        for token in list(view.walk("id/")):
            entry: TokenEntry | None = view.get(f"id/{token}")
            if entry is not None and place.policy in entry.policies:
                core.revoke_token(token)
        core.storage.commit()


def refuse_logins(place: "Source", *, off: bool = False) -> None:
    """Rename nhisync's role out of the way, so that logins fail, or back again."""
    core = place.core
    mount = core.mounts.get(f"auth/{AUTH_MOUNT}/")
    if mount is None:
        return
    live, hidden = ("role-id-hidden/", "role-id/") if off else ("role-id/", "role-id-hidden/")
    with core.lock:
        view = core.view(mount)
        for key in list(view.walk(live)):
            view.put(hidden + key, view.get(live + key))
            view.delete(live + key)
        core.storage.commit()


def make_unreachable(place: "Source", *, off: bool = False) -> None:
    """Close all listeners of the source, or open them again on their old ports."""
    for listener in place.listeners:
        if off:
            listener.open()
        else:
            listener.close()


def database_down(place: "Source", *, off: bool = False, text: str = "connection refused") -> None:
    """Make every fake database of the source refuse changes, or work again."""
    for mount in place.core.mounts.values():
        if isinstance(mount.engine, DatabaseEngine):
            for server in mount.engine.databases.values():
                if isinstance(server, FakeDatabase):
                    server.refusal = None if off else text
