;; The memory begins one page beyond its limit. Stopped by `memory-bytes`.
(memory $memory 257)
