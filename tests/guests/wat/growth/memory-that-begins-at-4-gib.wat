;; The memory begins with 4 GiB. Stopped by `memory-bytes`.
(memory $memory 65536)
