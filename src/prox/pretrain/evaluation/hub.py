"""The Hugging Face hub: asked once whether it answers, and not asked again if it does not.

Without that, each data set and model that is not in the local cache takes half a minute of retries on a machine that
has no network.
"""

import os
import sys
from functools import cache

_SECONDS = 5.0


@cache
def hub_answers() -> bool:
    """Whether the hub can be reached. If not, this process goes offline: what is in the local cache is still used."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        go_offline()
        return False
    try:
        from huggingface_hub.utils import get_session

        get_session().head(constants.ENDPOINT, timeout=_SECONDS)
    except Exception:  # each version brings the errors of another HTTP library
        go_offline()
        return False
    return True


def go_offline() -> None:
    """What HF_HUB_OFFLINE=1 does before a process begins, for libraries that have read it already."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_DATASETS_OFFLINE"] = "1"
    for module, names in (
        ("huggingface_hub.constants", ("HF_HUB_OFFLINE",)),
        ("datasets.config", ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")),
    ):
        if module in sys.modules:
            for name in names:
                setattr(sys.modules[module], name, True)
