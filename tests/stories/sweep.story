# One port of many hosts is a scan as much as many ports of one.
threshold = 3
0     192.0.2.1:40000 > 198.51.100.7:111   S -> watch
1     192.0.2.1:40000 > 198.51.100.8:111   S -> watch
2     192.0.2.1:40000 > 198.51.100.9:111   S -> block 192.0.2.1 10m hits=3 kind=syn
