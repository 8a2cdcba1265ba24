"""Groups of failed parts that look alike: found without labels, looked at by a person, made classes."""
