"""A started server ends with the process that started it, even when that one is killed: nobody is left to run
its fixtures' ends.
"""

import subprocess
import sys

# Reads until the pipe closes: by `release`, or because the process that holds the other end is gone, however
# it ended.
WATCH = """
import sys, psutil
family = psutil.Process(int(sys.argv[1]))
sys.stdin.read()
try:
    left = [family, *family.children(recursive=True)]
except psutil.NoSuchProcess:
    sys.exit()
family.terminate()
_, alive = psutil.wait_procs(left, timeout=5)
for process in alive:
    process.kill()
"""


class Guard:
    """Watches over `process` (a Popen) from a process of its own; `release` ends it after `process` has been
    stopped.
    """

    def __init__(self, process: subprocess.Popen):
        self._watching = subprocess.Popen([sys.executable, "-c", WATCH, str(process.pid)],
                                          stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                          start_new_session=True)

    def release(self) -> None:
        self._watching.stdin.close()
        self._watching.wait(30)
