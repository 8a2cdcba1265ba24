"""Reading: barcodes and two-dimensional codes, and whether there is print."""
