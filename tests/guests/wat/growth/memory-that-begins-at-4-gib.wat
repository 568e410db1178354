;; The memory begins with 4 GiB. Stopped by `memory-bytes`, before it is compiled.
(memory $memory 65536)
