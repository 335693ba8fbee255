"""How much of the label can be guessed without looking at a lung."""
