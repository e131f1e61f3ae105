# Ping sweeps of dark addresses, SCTP and IP protocol scans, and protocols that routers speak.
0     192.0.2.1:0 > 198.51.100.1:0     echo -> watch
1     192.0.2.1:0 > 198.51.100.2:0     echo -> watch
2     192.0.2.1:0 > 198.51.100.3:0     echo -> watch
3     192.0.2.1:0 > 198.51.100.4:0     echo -> block 192.0.2.1 10m hits=4 kind=echo
0     192.0.2.2:0 > 198.51.100.7:2905  init -> watch
1     192.0.2.2:0 > 198.51.100.7:3868  init -> watch
2     192.0.2.2:0 > 198.51.100.7:0     protocol-3 -> watch
3     192.0.2.2:0 > 198.51.100.7:0     protocol-9 -> block 192.0.2.2 10m hits=4 kind=protocol
0     192.0.2.3:0 > 198.51.100.7:0     protocol-47 -> innocent
0     192.0.2.3:0 > 198.51.100.7:0     protocol-89 -> innocent
0     192.0.2.3:0 > 198.51.100.7:0     protocol-2 -> innocent
