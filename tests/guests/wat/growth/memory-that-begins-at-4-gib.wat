;; The memory begins with 4 GiB. Stopped when it is compiled, by the limit of each slot of the pool.
(memory $memory 65536)
