# A port scan ends at its first probe, and the same source is not blocked twice.
0.0   192.0.2.1:40000 > 198.51.100.7:111   S -> block 192.0.2.1 10m hits=1 kind=syn
0.1   192.0.2.1:40001 > 198.51.100.7:143   S -> still blocked
0.2   192.0.2.2:40000 > 198.51.100.7:111   S -> block 192.0.2.2 10m hits=1 kind=syn
1.0   192.0.2.1:40002 > 198.51.100.7:1080  S -> still blocked
# Its block has ended; it comes back, and so does the block.
600   192.0.2.1:40003 > 198.51.100.7:111   S -> block 192.0.2.1 20m hits=1 kind=syn
