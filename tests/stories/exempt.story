# Whom we depend on is never blocked: its address is the first that somebody would forge.
exempt = 192.0.2.53/32
0     192.0.2.53:53 > 198.51.100.7:111   S -> innocent
0     192.0.2.54:53 > 198.51.100.7:111   S -> block 192.0.2.54 10m hits=1 kind=syn
