"""Teaching: from pictures of good parts to a bundle."""
