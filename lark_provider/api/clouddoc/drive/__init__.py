"""Folders, files and who may open them (`/open-apis/drive`).

`from lark_provider.api.clouddoc.drive import Share`
"""

from __future__ import annotations

from lark_provider.support.exports import make_getattr

_HOME_OF = dict.fromkeys(("Grant", "Role", "Share"), ".people")
__all__ = list(_HOME_OF)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.api.clouddoc.drive.people import Grant as Grant
    from lark_provider.api.clouddoc.drive.people import Role as Role
    from lark_provider.api.clouddoc.drive.people import Share as Share


__getattr__ = make_getattr(__name__, _HOME_OF)
