"""LDAP static roles: account, last rotation and period; the password is never read.

Source: OpenBao ``internal/builtin/logical/openldap/path_static_roles.go``; nested role names as in Vault 1.17 and
later.
"""

from nhisync.spi import Item, Lifecycle, ProviderError, PublicId, Unchanged
from nhisync_vault.facts import attributes, check_name, marker, text
from nhisync_vault.kinds.base import Listed, NamedKind, Run
from nhisync_vault.kinds.database import host_of, rotation_facts
from nhisync_vault.mounts import Mount


class LdapStaticKind(NamedKind):
    """Kind ``ldap-static``."""

    name = "ldap-static"
    folder = "static-role"

    def detail(self, run: Run, mount: Mount, entry: Listed) -> Item | Unchanged:
        """Account and schedule of one role.

        Raises:
            ProviderError: NOT_FOUND when the server has no such role, else why not.
        """
        name = entry.name
        check_name(name)
        role = run.api.get(f"{mount.api}/static-role/{name}")
        account = text(role.get("dn")) or text(role.get("username"))
        host = _directory(run, mount)
        login = [PublicId("login", f"{host}/{account.lower()}")] if host and account else []
        return run.item(
            run.locator(self.name, mount, name),
            lifecycle=run.lifecycle(mount, Lifecycle.OWN),
            ids=run.ids(*login),
            marker=marker("ldap-static", role),
            attributes=attributes(directory=host, dn=text(role.get("dn")), username=text(role.get("username"))),
            **rotation_facts(role, "vault-ldap"),
        )


def _directory(run: Run, mount: Mount) -> str:
    """Host of the directory, "" when the mount's configuration may not be read."""
    try:
        config = run.once(("directory", mount.api), lambda: run.api.get(f"{mount.api}/config"))
    except ProviderError as error:
        run.miss(LdapStaticKind.name, "directory", mount, error)
        return ""
    return host_of(config)
