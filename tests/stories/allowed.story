# A source on the allow list may do as it likes.
allow = 192.0.2.0/24
allow = 2001:db8:1::9/128
0     192.0.2.1:40000 > 198.51.100.7:111            S   -> innocent
0     192.0.2.1:40000 > 198.51.100.7:143            FPU -> innocent
0     [2001:db8:1::9]:40000 > [2001:db8:5::7]:111   S   -> innocent
0     [2001:db8:1::a]:40000 > [2001:db8:5::7]:111   S   -> block 2001:db8:1::/64 10m hits=1 kind=syn
