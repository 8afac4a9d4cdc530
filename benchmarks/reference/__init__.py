"""The reference family of the field, written anew in Keras with librosa: what people run today.

Its settings are those of the public notebooks of the HMS competition, see docs/side-by-side.md.
"""
