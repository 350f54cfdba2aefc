"""The storms, one a file; the file's name is the drill's.

A storm has STORM (a sentence), PROMISES, MENDED_BY (the command of a person that a second fault can hit, '' for none),
concerns(topology), and prepare(servers, options, say), which returns a Drill. Where its clients come by no route of
drills.traffic.client_routes, routes(topology) says which ones there are. A new file here is a new drill: the commands
find it by themselves. What several storms share is not here.
"""
