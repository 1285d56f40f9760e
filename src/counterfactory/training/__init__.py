"""How a network learns here, whatever it is: the loop, its budget, its checkpoints, and the arrays it reads."""
