"""Runs a command; tells on the last line of stderr its greatest memory (KiB) and its seconds."""

import json
import os
import sys
import time

began = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(json.dumps([usage.ru_maxrss, time.perf_counter() - began]), file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
