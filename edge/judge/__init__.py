"""From a prediction to a verdict."""
