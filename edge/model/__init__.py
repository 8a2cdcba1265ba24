"""Models: bundles on disk, the TFLite runtime, and what their outputs mean."""
