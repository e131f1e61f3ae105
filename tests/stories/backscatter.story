# Answers to somebody who forged our address prove nothing about who sends them.
0     192.0.2.1:80 > 198.51.100.7:111   S. -> innocent
1     192.0.2.1:80 > 198.51.100.7:143   R  -> innocent
2     192.0.2.1:80 > 198.51.100.7:1080  R. -> innocent
3     192.0.2.1:0  > 198.51.100.7:0     icmp -> innocent
4     192.0.2.1:80 > 198.51.100.7:111   S -> block 192.0.2.1 10m hits=1 kind=syn
