"""Seeds of the generated comparisons; each is part of the test's name.

MAILLDAP_SEED=word chooses others, MAILLDAP_FUZZ=n runs n times as many, with new ones each time.
"""

import os
import random

_FUZZ = int(os.environ.get("MAILLDAP_FUZZ", "0"))
_START = os.environ.get("MAILLDAP_SEED") or (str(random.randrange(10**9)) if _FUZZ else "s")


def seeds(count: int) -> list[str]:
    return [f"{_START}{number}" for number in range(count * max(_FUZZ, 1))]
