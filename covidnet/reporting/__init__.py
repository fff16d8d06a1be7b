"""The files of a finished run or evaluation, made from its predictions."""
