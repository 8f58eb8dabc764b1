"""Whether services' processes can be kept in control groups of their own, and their limits with that."""

from __future__ import annotations

from attrs import frozen

from herd.core.limits import Limits
from herd.daemon.cgroups import Groups


@frozen
class Confinement:
    """The groups to give; without any, `because` is why not, a clause."""

    groups: Groups | None = None
    because: str = "nobody has given it any"

    @classmethod
    def found(cls) -> Confinement:
        """What systemd has delegated; herdd itself is in a group of its own then. Blocks."""
        groups = Groups.delegated()
        if groups is None:
            return cls(because="systemd has delegated none (Delegate= in herdd.service)")
        try:
            groups.settle()
        except OSError as error:
            return cls(because=f"{error.filename}: {error.strerror}; let systemd restart herdd")
        return cls(groups)

    def lacking(self, limits: Limits) -> str:
        """Why the limits cannot be kept, a clause; empty where they can."""
        if not limits.files:
            return ""
        if self.groups is None:
            return f"herdd has no control groups to give: {self.because}"
        missing = self.groups.lacking(limits)
        return f"herdd was given no {missing}; see DelegateControllers of: systemctl show herdd" if missing else ""


NOWHERE = Confinement()
