# More packets than places are remembered: the count goes further.
count = packets
threshold = 12
1   192.0.2.1:40000 > 203.0.113.2:111  S -> watch
2   192.0.2.1:40000 > 203.0.113.2:111  S -> watch
3   192.0.2.1:40000 > 203.0.113.2:111  S -> watch
4   192.0.2.1:40000 > 203.0.113.2:111  S -> watch
5   192.0.2.1:40000 > 203.0.113.2:111  S -> watch
6   192.0.2.1:40000 > 203.0.113.2:79   S -> watch
7   192.0.2.1:40000 > 203.0.113.2:79   S -> watch
8   192.0.2.1:40000 > 203.0.113.2:1    S -> watch
9   192.0.2.1:40000 > 203.0.113.2:11   S -> watch
10  192.0.2.1:40000 > 203.0.113.2:15   S -> watch
11  192.0.2.1:40000 > 203.0.113.2:119  S -> watch
12  192.0.2.1:40000 > 203.0.113.2:143  S -> block 192.0.2.1 10m hits=12 kind=syn

# When that block has ended, it answers for them all.
700 192.0.2.1:40000 > 203.0.113.2:111  S -> watch
