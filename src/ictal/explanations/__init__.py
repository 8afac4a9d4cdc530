"""Which parts of a window support a pattern: occlusion, integrated gradients, Grad-CAM, and sanity checks of them."""
