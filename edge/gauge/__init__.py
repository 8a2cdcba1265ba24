"""Measuring in pictures: edges finer than a pixel, what is fitted to them, and how sure that is."""
