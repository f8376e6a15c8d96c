"""One HTML file that shows the crashes of a fleet, or of one machine's archive.

crashes: what a picture is made of, and how crashes are counted; gather: asks an origin for it,
within bounds; of_fleet and of_archive: the two origins; page, chart, markup, style: a picture as
HTML. All but gather and the origins are pure.
"""
