"""What is kept on disk: the outbox and the evidence."""
