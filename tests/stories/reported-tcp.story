# What is said of TCP holds for all that is not UDP.
tcp = report
1  192.0.2.1:40000 > 203.0.113.2:111  S    -> report 192.0.2.1 10m hits=1 kind=syn
2  192.0.2.2:40000 > 203.0.113.2:0  hidden -> report 192.0.2.2 10m hits=1 kind=hidden
3  192.0.2.3:40000 > 203.0.113.2:69   udp  -> block 192.0.2.3 10m hits=1 kind=udp
# Who is blocked stays blocked.
4  192.0.2.3:40000 > 203.0.113.2:111  S    -> still blocked
