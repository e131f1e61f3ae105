# With a threshold of three, distinct places count and retransmits do not.
threshold = 3
0     192.0.2.1:40000 > 198.51.100.7:111   S -> watch
1     192.0.2.1:40000 > 198.51.100.7:111   S -> watch
3     192.0.2.1:40000 > 198.51.100.7:111   S -> watch
7     192.0.2.1:40000 > 198.51.100.7:111   S -> watch
8     192.0.2.1:40001 > 198.51.100.7:1     S -> watch
# The same port by another protocol is another place.
9     192.0.2.1:40001 > 198.51.100.7:1     udp -> block 192.0.2.1 10m hits=3 kind=udp
