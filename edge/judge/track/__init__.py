"""Parts that move with a belt: followed from frame to frame, and judged when they cross a line."""
