"""Seeds of kinds ``service-account`` and ``service-account-key``."""

from datetime import timedelta

from nhisync_gcp.emulator.accounts import FOREVER, Account, Key
from nhisync_gcp.emulator.keys import self_signed_pem
from nhisync_gcp.emulator.messages import copy
from nhisync_gcp.emulator.plot import Planted, Plot

ACCOUNT_OPTIONS = ("disabled", "display_name", "roles")
KEY_OPTIONS = ("account_disabled", "disabled", "keys", "material", "old", "uploaded")


def seed_account(plot: Plot) -> Planted:
    """``service-account/EMAIL``; the seed's name may be the part before the @."""
    options = plot.options
    account = _account(plot, str(options.get("display_name", "")))
    for role in options.get("roles", ()):
        plot.cloud.access.bind(f"projects/{plot.project}", role, account.member, plot.created)
    if options.get("disabled"):
        _disable_account(account, plot)
    return Planted(f"{plot.seed.kind}/{account.email}", account.name)


def seed_key(plot: Plot) -> Planted:
    """``service-account-key/EMAIL``: one key at creation, one more at the rotation.

    ``old`` says what became of the first one: deleted (default), disabled, or kept.
    """
    options = plot.options
    account = _account(plot, "")
    if plot.seed.rotated is not None:
        _retire(_key(plot, account, plot.changed - plot.created, ""), plot, str(options.get("old", "deleted")))
    material = str(options.get("material", ""))
    for index in range(int(options.get("keys", 1))):
        key = _key(plot, account, timedelta(), material if index == 0 else "")
        if options.get("disabled"):
            _disable(key, plot)
    if options.get("account_disabled"):
        _disable_account(account, plot)
    return Planted(f"{plot.seed.kind}/{account.email}", account.name)


def _account(plot: Plot, display_name: str) -> Account:
    name = plot.seed.name.partition("@")[0]
    accounts = plot.cloud.accounts
    found = accounts.find(f"{name}@{plot.project}.iam.gserviceaccount.com")
    return found or accounts.create(plot.project, name, plot.created, display_name=display_name)


def _key(plot: Plot, account: Account, earlier: timedelta, material: str) -> Key:
    """A key made at the rotation, or `earlier`; keys of one `material` are one key."""
    at = plot.changed - earlier
    end = FOREVER if plot.seed.expires is None else plot.now + plot.seed.expires
    accounts = plot.cloud.accounts
    draw = (lambda: accounts.material(material)) if material else None
    if not plot.options.get("uploaded"):
        return accounts.create_key(account, at, end=end, draw=draw)
    private = draw() if draw is not None else accounts.draw()
    certificate = self_signed_pem(private, account.email, at, end, serial=accounts.next_serial())
    return accounts.create_key(account, at, end=end, uploaded=certificate)


def _retire(key: Key, plot: Plot, how: str) -> None:
    if how == "deleted":
        key.shown.put(plot.changed, None)
    elif how == "disabled":
        _disable(key, plot)


def _disable(key: Key, plot: Plot) -> None:
    message = copy(key.shown.current)
    message.disabled = True
    key.shown.put(plot.changed, message)


def _disable_account(account: Account, plot: Plot) -> None:
    message = copy(account.shown.current)
    message.disabled = True
    account.shown.put(plot.changed, message)
