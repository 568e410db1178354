;; A table begins with 2^32 - 1 elements. Stopped by `table-elements`.
(table 4294967295 funcref)
