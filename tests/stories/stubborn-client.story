# A client that tries one closed port for a day is no scanner where two places make one.
threshold = 2
window = 2days
0     192.0.2.1:40000 > 198.51.100.7:143   S -> watch
60    192.0.2.1:40001 > 198.51.100.7:143   S -> watch
3600  192.0.2.1:40002 > 198.51.100.7:143   S -> watch
43200 192.0.2.1:40003 > 198.51.100.7:143   S -> watch
86400 192.0.2.1:40004 > 198.51.100.7:143   S -> watch
