"""Where reports go: one file for each kind of sink."""
