"""The layers: each file holds the functions of one family, forward and backward."""
