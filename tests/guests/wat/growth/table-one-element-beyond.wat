;; A table begins one element beyond its limit. Stopped by `table-elements`.
(table 4097 funcref)
