# Each of nmap's stealth scans is blocked at its first probe of a trigger port, and at its second place elsewhere: one such packet may
# be somebody's broken program.
0     192.0.2.1:40000 > 198.51.100.7:111   -   -> block 192.0.2.1 10m hits=1 kind=null
0     192.0.2.2:40000 > 198.51.100.7:111   F   -> block 192.0.2.2 10m hits=1 kind=fin
0     192.0.2.3:40000 > 198.51.100.7:111   FPU -> block 192.0.2.3 10m hits=1 kind=xmas
0     192.0.2.4:40000 > 198.51.100.7:111   SF  -> block 192.0.2.4 10m hits=1 kind=syn+fin
0     192.0.2.5:40000 > 198.51.100.7:111   hidden -> block 192.0.2.5 10m hits=1 kind=hidden
0     192.0.2.6:40000 > 198.51.100.7:22    F   -> watch
1     192.0.2.6:40000 > 198.51.100.7:22    FPU -> watch
2     192.0.2.6:40000 > 198.51.100.7:80    F   -> block 192.0.2.6 10m hits=2 kind=fin
