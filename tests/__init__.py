"""Tests. Importing this package limits the threads of each test process, before NumPy and torch are loaded.

Test processes run side by side. Libraries that each start one thread per core slow each other down many times. They
read these limits when they are loaded, and the programs that the tests start inherit them.
"""

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
