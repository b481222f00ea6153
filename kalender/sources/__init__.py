"""FS and TP: JSON over HTTP in, the domain's values out. One module a system, `http` shared."""
