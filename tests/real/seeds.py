"""Seeds of the generated comparisons; each is part of the test's name.

MAILLDAP_FUZZ=n generates that many configurations a test, with new seeds each time (make fuzz:
2000); MAILLDAP_SEED=word chooses seeds.
"""

import os
import random
import sys

_MAKE_FUZZ = "--hypothesis-profile=fuzz" in sys.argv
_FUZZ = int(os.environ.get("MAILLDAP_FUZZ") or (2000 if _MAKE_FUZZ else 0))
_START = os.environ.get("MAILLDAP_SEED") or (str(random.randrange(10**9)) if _FUZZ else "s")


def seeds(count: int, configurations: int) -> list[str]:
    """A seed for each round; *configurations* is how many one round generates."""
    return [f"{_START}-{number}" for number in range(max(count, _FUZZ // configurations))]
