"""The events of a Nicolet .e file.

Source: FieldTrip, read_nervus_header.m (EVENTMARKER). The types are those that FieldTrip, neo and nicolet-e2edf
agree about; eeg2edf 0.1.0 takes hyperventilation for a seizure.
"""

import struct
from uuid import UUID

from ictal.core.recording import Annotation
from ictal.io.devices.binary import wide_text

EVENT = UUID("{B799F680-72A4-11D3-93D3-00500400C148}")
"""Identifies a packet that is an event."""
HEAD, SMALLEST = 24, 232
NAMES_AT, NAME_BYTES, TEXT_AT = 0xA8, 64, 0x108
LONGEST_S = 1e9
DAY_S = 86_400.0
_COMMON = "-A7F8-11CF-831A-0800091B5BDA"
TYPES = {
    f"A5A95612{_COMMON}": "",
    f"A5A95645{_COMMON}": "",
    f"A5A95646{_COMMON}": "Seizure",
    f"A5A95608{_COMMON}": "Hyperventilation",
    f"A5A95616{_COMMON}": "Patient event",
    f"A5A95617{_COMMON}": "Impedance",
    f"A5A9560A{_COMMON}": "Print",
    f"A5A95637{_COMMON}": "Tachycardia",
    f"A5A95636{_COMMON}": "Bradycardia",
    "08784382-C765-11D3-90CE-00104B6F4F70": "Format change",
    "6FF394DA-D1B8-46DA-B78F-866C67CF02AF": "Photic",
    "481DFC97-013C-4BC5-A203-871B0375A519": "Posthyperventilation",
    "725798BF-CD1C-4909-B793-6C7864C27AB7": "Review progress",
    "96315D79-5C24-4A65-B334-E31A95088D55": "Exam start",
    "C3B68051-EDCF-418C-8D53-27077B92DE22": "Spike",
    "99FFE0AA-B8F9-49E5-8390-8F072F4E00FC": "EEG check",
    "0DE05C94-7D03-47B9-864F-D586627EA891": "Eyes closed",
    "583AA2C6-1F4E-47CF-A8D4-80C69EB8A5F3": "Eyes open",
    "0A205CD4-1480-4F02-8AFF-4E4CD3B21078": "Artifact",
    "08EC3F49-978D-4FE4-AE77-4C421335E5FF": "Prune",
    "A71A6DB5-4150-48BF-B462-1C40521EBD6F": "Amplifier disconnected",
    "6387C7C8-6F98-4886-9AF4-FA750ED300DE": "Amplifier reconnected",
    "71EECE80-EBC4-41C7-BF26-E56911426FB4": "Recording paused",
}
"""Names of event types; '' for comments, whose text says it all."""


def nicolet_events(content: bytes, start_days: float) -> tuple[tuple[Annotation, ...], int]:
    """Return the events at their true times, and the number of bytes that cannot be read as events.

    Parameters
    ----------
    content
        The section 'Events': packets of different sizes.
    start_days
        Clock time of the first sample, in days.
    """
    found, at, unread = [], 0, 0
    while at < len(content):
        n_bytes = int.from_bytes(content[at + 16 : at + HEAD], "little")
        if not HEAD <= n_bytes <= len(content) - at:
            unread += len(content) - at
            break
        event = _event(content[at : at + n_bytes], start_days)
        if event is not None:
            found.append(event)
        elif content[at : at + 16] == EVENT.bytes_le:
            unread += n_bytes
        at += n_bytes
    return tuple(sorted(found, key=lambda event: event.onset_s)), unread


def _event(packet: bytes, start_days: float) -> Annotation | None:
    """Return an event; None if the packet is something else, or its time is invalid.

    Days are whole seconds, and the fraction adds what is left, in seconds.
    """
    if packet[:16] != EVENT.bytes_le or len(packet) < SMALLEST:
        return None
    days, fraction_s, duration_s = struct.unpack_from("<ddd", packet, 0x20)
    onset_s = round((days - start_days) * DAY_S, 6) + fraction_s
    if not abs(onset_s) <= LONGEST_S:
        return None
    kind = str(UUID(bytes_le=packet[0x88:0x98])).upper()
    (n_letters,) = struct.unpack_from("<Q", packet, 0x80)
    label = wide_text(packet[NAMES_AT : NAMES_AT + NAME_BYTES]).strip("-")
    text = wide_text(packet[TEXT_AT : TEXT_AT + 2 * min(n_letters, len(packet))])
    known = TYPES.get(kind, "" if text or label else f"event of type {kind}")
    words = ": ".join(part for part in (known, " ".join(part for part in (label, text) if part)) if part)
    return Annotation(onset_s, duration_s if 0 < duration_s <= LONGEST_S else 0.0, words or "event")
