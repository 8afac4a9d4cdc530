"""A program that sends a stream of LSL until its input ends: `python -m tests.live.sender NAME SOURCE_ID FIRST`.

Channel Fp1 counts samples from FIRST on, in steps of 0.5 mV modulo 200 mV; EKG is its negative.
"""

import sys
import threading

import numpy as np
import pylsl

RATE_HZ = 100
PART = 10


def values(first: int, count: int) -> np.ndarray:
    """Return samples [time, channel] in volts."""
    numbers = 0.0005 * ((first + np.arange(count)) % 400)
    return np.stack([numbers, -numbers], axis=1).astype(np.float64)


def main(name: str, source_id: str, first: int) -> None:
    info = pylsl.StreamInfo(name, "EEG", 2, RATE_HZ, pylsl.cf_double64, source_id)
    info.set_channel_labels(["Fp1", "EKG"])
    info.set_channel_units("volts")
    outlet = pylsl.StreamOutlet(info)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    outlet.wait_for_consumers(60)
    begin, sent = pylsl.local_clock(), 0
    while not ended.wait(max(begin + (sent + PART) / RATE_HZ - pylsl.local_clock(), 0.0)):
        outlet.push_chunk(values(first + sent, PART), begin + (sent + PART - 1) / RATE_HZ)
        sent += PART


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
