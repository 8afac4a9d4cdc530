"""Files of recorders, by vendor. A reader of a third party runs in a process of its own with limits (`guarded`)."""
