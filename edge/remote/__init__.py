"""What the plant may ask of the device, through the broker."""
