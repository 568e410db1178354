;; A table begins with 2^32 - 1 elements. Stopped when it is compiled, by the limit of each slot of the pool.
(table 4294967295 funcref)
