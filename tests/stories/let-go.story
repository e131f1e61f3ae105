# Somebody took the block out of the kernel; its source scans on, and is blocked again, for as long as at first.
0     192.0.2.1:40000 > 198.51.100.7:111   S  -> block 192.0.2.1 10m hits=1 kind=syn
0.5   192.0.2.1:40001 > 198.51.100.7:143   S  -> still blocked
# Late segments of its old flows do not lengthen its block.
300   192.0.2.1:40002 > 198.51.100.7:143   F. -> still blocked
300   192.0.2.1:40003 > 198.51.100.7:1080  S  -> block 192.0.2.1 10m hits=1 kind=syn
