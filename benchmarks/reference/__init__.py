"""The reference: what public notebooks of the HMS competition run, rewritten in Keras with librosa.

The settings are those of the notebooks, see docs/side-by-side.md.
"""
