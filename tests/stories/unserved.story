# Ports that nobody serves are no triggers: an honest client is wrong now and then, but not four times in an hour.
0     192.0.2.1:40000 > 198.51.100.7:8081   S -> watch
1     192.0.2.1:40000 > 198.51.100.7:8081   S -> watch
600   192.0.2.1:40001 > 198.51.100.7:8082   S -> watch
1200  192.0.2.1:40002 > 198.51.100.7:9000   udp -> watch
1800  192.0.2.1:40003 > 198.51.100.7:9001   S -> block 192.0.2.1 10m hits=4 kind=syn
# Another forgets its first mistakes before it makes the next.
0     192.0.2.2:40000 > 198.51.100.7:8081   S -> watch
2000  192.0.2.2:40000 > 198.51.100.7:8082   S -> watch
4000  192.0.2.2:40000 > 198.51.100.7:8083   S -> watch
6000  192.0.2.2:40000 > 198.51.100.7:8084   S -> watch
# A late segment to a port that is no trigger says nothing at all.
0     192.0.2.3:443 > 198.51.100.7:8081   F. -> innocent
0     192.0.2.3:443 > 198.51.100.7:8082   .  -> innocent
