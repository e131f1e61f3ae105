# A client talks with a service of this host. Somebody who cannot see its packets forges some in its name, to shut it out.
guest = 192.0.2.1/32

0     192.0.2.1:40000 > 198.51.100.7:111   S   -> watch
# The same packet again and again is one place.
1     192.0.2.1:40000 > 198.51.100.7:111   S   -> watch
2     192.0.2.1:40001 > 198.51.100.7:111   S   -> watch
3     192.0.2.1:53    > 198.51.100.7:161   udp -> watch
4     192.0.2.1:40002 > 198.51.100.7:80    FPU -> watch
# A port that nobody serves weighs the same; with half of what a NULL or XMAS packet says elsewhere there is not enough yet.
5     192.0.2.1:40003 > 198.51.100.7:8080  S   -> watch
# A fourth whole place is too much for chance, and for a client at work.
6     192.0.2.1:40004 > 198.51.100.7:79    S   -> block 192.0.2.1 10m hits=5 kind=syn
7     192.0.2.1:40005 > 198.51.100.7:1     S   -> still blocked
# Who is no guest is found at once.
8     192.0.2.2:40000 > 198.51.100.7:111   S   -> block 192.0.2.2 10m hits=1 kind=syn
# After an hour those places count no more.
10000 192.0.2.1:40006 > 198.51.100.7:111   S   -> watch
