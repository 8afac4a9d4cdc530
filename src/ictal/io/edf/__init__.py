"""EDF and BDF: header, reader, writer, and copies with annotations."""
