# PortSentry's SCAN_TRIGGER: the third packet counts, whether it is a retransmit or not.
count = packets
threshold = 3
1  192.0.2.1:40000 > 203.0.113.2:111  S  -> watch
2  192.0.2.1:40000 > 203.0.113.2:111  S  -> watch
3  192.0.2.1:40000 > 203.0.113.2:111  S  -> block 192.0.2.1 10m hits=3 kind=syn
4  192.0.2.1:40000 > 203.0.113.2:111  S  -> still blocked

# A late segment is no packet that counts, however often it is sent.
10  192.0.2.2:40000 > 203.0.113.2:111  . -> watch
11  192.0.2.2:40000 > 203.0.113.2:111  . -> watch
12  192.0.2.2:40000 > 203.0.113.2:111  . -> watch
13  192.0.2.2:40000 > 203.0.113.2:111  . -> watch

# Who was silent for the whole window starts anew.
20    192.0.2.3:40000 > 203.0.113.2:111  S -> watch
21    192.0.2.3:40000 > 203.0.113.2:111  S -> watch
3700  192.0.2.3:40000 > 203.0.113.2:111  S -> watch
3701  192.0.2.3:40000 > 203.0.113.2:111  S -> watch
3702  192.0.2.3:40000 > 203.0.113.2:111  S -> block 192.0.2.3 10m hits=3 kind=syn

# Ports that nobody serves and that are no triggers go on by places.
4000  192.0.2.4:40000 > 203.0.113.2:8001  S -> watch
4001  192.0.2.4:40000 > 203.0.113.2:8001  S -> watch
4002  192.0.2.4:40000 > 203.0.113.2:8001  S -> watch
4003  192.0.2.4:40000 > 203.0.113.2:8001  S -> watch
