"""What is trained, and how: the Trainer, the linear head, an orderly stop."""
