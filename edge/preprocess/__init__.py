"""From camera pixels to model tensors, and whether a picture is fit to be judged."""
