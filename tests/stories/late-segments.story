# A late segment of a flow that conntrack forgot looks like an ACK scan; it comes to one port, however often it is sent again.
0     192.0.2.1:443 > 198.51.100.7:2000   .  -> watch
1     192.0.2.1:443 > 198.51.100.7:2000   F. -> watch
5     192.0.2.1:443 > 198.51.100.7:2000   F. -> watch
# A scan goes on to the next port.
0     192.0.2.2:40000 > 198.51.100.7:111   .  -> watch
0     192.0.2.2:40000 > 198.51.100.7:143   .  -> block 192.0.2.2 10m hits=2 kind=ack
0     192.0.2.3:40000 > 198.51.100.7:111   F. -> watch
0     192.0.2.3:40000 > 198.51.100.7:143   F. -> block 192.0.2.3 10m hits=2 kind=maimon
