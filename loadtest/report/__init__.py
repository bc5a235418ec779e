"""How a result reads: the terminal and the files of a results folder. Pure but for those files."""
