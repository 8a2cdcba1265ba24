"""Few-shot classes: a lesson on a few pictures of each kind of part, up to its bundle and its report."""
