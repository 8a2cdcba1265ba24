"""How models that others trained say what they have found: their outputs, read into boxes and masks."""
