# A contact counts as long as the window says, from the last time it was made.
threshold = 2
window = 60s
0     192.0.2.1:40000 > 198.51.100.7:111   S -> watch
61    192.0.2.1:40000 > 198.51.100.7:143   S -> watch
100   192.0.2.1:40000 > 198.51.100.7:143   S -> watch
160   192.0.2.1:40000 > 198.51.100.7:111   S -> block 192.0.2.1 10m hits=2 kind=syn
