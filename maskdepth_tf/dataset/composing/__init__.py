"""Cut-outs and rooms to composites: the recipe of every row and its pictures."""
