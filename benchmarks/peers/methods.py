"""The peers by name; MONAI is imported only for those that need it."""

from __future__ import annotations

from microbleeds.errors import InputError
from peers.peer import Peer


def new_peer(method: str) -> Peer:
    """Make an untrained peer.

    Raises:
        InputError: if there is none of this name, or MONAI is not installed.
    """
    try:
        if method == "dynunet":
            from peers.dynunet import SegmentationPeer

            return SegmentationPeer()
        if method == "retinanet":
            from peers.retinanet import RetinaNetPeer

            return RetinaNetPeer()
    except ImportError as error:
        raise InputError(f"The method {method} needs {error.name}; install it with pip install monai.") from error
    if method == "radial":
        from peers.radial import RadialPeer

        return RadialPeer()
    raise InputError(f"There is no method {method!r}; use dynunet, retinanet or radial.")
