# By UDP a source may be forged: it is reported once, for as long as it would be blocked, and goes on.
udp = report
1    192.0.2.1:40000 > 203.0.113.2:69   udp -> report 192.0.2.1 10m hits=1 kind=udp
2    192.0.2.1:40000 > 203.0.113.2:161  udp -> watch
300  192.0.2.1:40000 > 203.0.113.2:7    udp -> watch

# By TCP it is blocked even so, for the time of a first block, and for what it did by TCP alone.
301  192.0.2.1:40000 > 203.0.113.2:111  S   -> block 192.0.2.1 10m hits=1 kind=syn
302  192.0.2.1:40000 > 203.0.113.2:69   udp -> still blocked

# A report ends as a block does; the next is longer.
10   192.0.2.2:40000 > 203.0.113.2:69   udp -> report 192.0.2.2 10m hits=1 kind=udp
700  192.0.2.2:40000 > 203.0.113.2:69   udp -> report 192.0.2.2 20m hits=1 kind=udp

# What may be forged does not help to have anybody blocked: four ports that nobody serves it takes, as ever.
20   192.0.2.3:40000 > 203.0.113.2:161  udp -> report 192.0.2.3 10m hits=1 kind=udp
21   192.0.2.3:40000 > 203.0.113.2:8001 S   -> watch
22   192.0.2.3:40000 > 203.0.113.2:8002 S   -> watch
23   192.0.2.3:40000 > 203.0.113.2:8003 S   -> watch
24   192.0.2.3:40000 > 203.0.113.2:8004 S   -> block 192.0.2.3 10m hits=4 kind=syn
