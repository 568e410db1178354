;; A table begins with 2^32 - 1 elements. Stopped by `table-elements`, before it is compiled.
(table 4294967295 funcref)
