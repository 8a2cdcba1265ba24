"""What the training scripts share: the loop, the network's trunk, the way to int8, the model card."""
