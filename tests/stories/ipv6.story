# Whoever has an address of a /64 has all of them; a neighbour on our own link has one.
on_link = 2001:db8:5::/64
threshold = 2
0     [2001:db8:1::1]:40000 > [2001:db8:5::7]:111        S -> watch
1     [2001:db8:1::ffff:2]:40000 > [2001:db8:5::7]:143   S -> block 2001:db8:1::/64 10m hits=2 kind=syn
1.5   [2001:db8:1::3]:40000 > [2001:db8:5::7]:22         S -> still blocked
3     [2001:db8:1:1::3]:40000 > [2001:db8:5::7]:111      S -> watch
4     [2001:db8:5::9]:40000 > [2001:db8:5::7]:111        S -> watch
5     [2001:db8:5::a]:40000 > [2001:db8:5::7]:143        S -> watch
6     [2001:db8:5::a]:40000 > [2001:db8:5::7]:111        S -> block 2001:db8:5::a 10m hits=2 kind=syn
7     [fe80::9]:40000 > [fe80::7]:111                    S -> watch
8     [fe80::a]:40000 > [fe80::7]:143                    S -> watch
