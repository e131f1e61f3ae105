# Who comes back after its block is blocked longer each time, up to a limit; after a week without offence it starts anew.
longest = 45m
0       192.0.2.1:40000 > 198.51.100.7:111   S -> block 192.0.2.1 10m hits=1 kind=syn
300     192.0.2.1:40001 > 198.51.100.7:143   S -> block 192.0.2.1 10m hits=1 kind=syn
1000    192.0.2.1:40002 > 198.51.100.7:143   S -> block 192.0.2.1 20m hits=1 kind=syn
2300    192.0.2.1:40003 > 198.51.100.7:79    S -> block 192.0.2.1 40m hits=1 kind=syn
5000    192.0.2.1:40004 > 198.51.100.7:79    S -> block 192.0.2.1 45m hits=1 kind=syn
# Another source is none the worse for it.
5001    192.0.2.2:40000 > 198.51.100.7:79    S -> block 192.0.2.2 10m hits=1 kind=syn
700000  192.0.2.1:40005 > 198.51.100.7:79    S -> block 192.0.2.1 10m hits=1 kind=syn
